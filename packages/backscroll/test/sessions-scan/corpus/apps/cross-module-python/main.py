from pkg import CHATS  #> import


def totals():
    return {cid: len(chat["messages"]) for cid, chat in CHATS.items()}  #> iterate, read
