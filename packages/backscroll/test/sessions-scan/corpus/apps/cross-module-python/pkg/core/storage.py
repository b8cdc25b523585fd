CHATS = {}  #> declare


class ConversationManager:
    """One of these is shared by everybody."""

    def __init__(self, limit: int = 50):
        self.limit = limit
        self.threads: dict[str, list[dict]] = {}  #> declare

    def thread(self, thread_id: str) -> list[dict]:
        return self.threads.setdefault(thread_id, [])  #> create

    def append(self, thread_id, role, content):
        self.thread(thread_id).append({"role": role, "content": content})  #> append


manager = ConversationManager()
