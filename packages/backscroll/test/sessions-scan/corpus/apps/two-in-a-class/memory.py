class Memory:
    def __init__(self):
        self.embeddings = {}
        self.threads = {}  #> declare

    def embed(self, text):
        if text not in self.embeddings:
            self.embeddings[text] = model.embed(text)
        return self.embeddings[text]

    def start(self, conversation_id):
        self.threads[conversation_id] = {"messages": []}  #> create
