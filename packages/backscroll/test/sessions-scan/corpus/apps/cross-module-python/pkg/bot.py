import pkg.core.storage
from pkg.core.storage import CHATS as chats, ConversationManager, manager  #> import


class AuditedManager(ConversationManager):
    def drop(self, thread_id):
        self.threads.pop(thread_id, None)  #> delete


class Bot:
    def __init__(self, conversations: ConversationManager = manager):
        self.conversations = conversations

    def say(self, thread_id, text):
        manager.thread(thread_id).append({"role": "user", "content": text})  #> append
        self.conversations.append(thread_id, "assistant", "ok")
        if thread_id in self.conversations.threads:  #> check
            chats[thread_id] = {"messages": []}  #> create
        pkg.core.storage.CHATS[thread_id]["messages"].append({"role": "user", "content": text})  #> append


def main():
    own = AuditedManager()
    own.append("a", "user", "x")
    print(len(own.threads))  #> iterate
