from memory import Memory

memory = Memory()


def say(conversation_id, text):
    memory.embed(text)
    memory.threads[conversation_id]["messages"].append({"role": "user", "content": text})  #> append
