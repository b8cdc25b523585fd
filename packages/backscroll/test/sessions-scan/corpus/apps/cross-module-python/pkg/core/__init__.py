from .storage import CHATS, ConversationManager, manager  #> import
