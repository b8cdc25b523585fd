# What was missed in silence once.

# === nested by user and thread
conversations = defaultdict(lambda: defaultdict(list))  #> declare

def add(user_id, thread_id, role, text):
    conversations[user_id][thread_id].append({"role": role, "content": text})  #> unclassified
    thread = conversations[user_id][thread_id]  #> unclassified
    thread.append({"role": role, "content": text})  #> unclassified

def recent(user_id, thread_id):
    return conversations[user_id].get(thread_id, [])[-10:]  #> unclassified

def forget(user_id, thread_id):
    del conversations[user_id][thread_id]  #> unclassified
    conversations[user_id][thread_id] = []  #> unclassified
    conversations.pop(user_id)  #> delete

# === nested, and no message is seen
chat_flags = defaultdict(dict)  #> left-out

def flag(chat_id, name, value):
    chat_flags[chat_id][name] = value

# === through a manager's operators
class ConversationManager:
    def __init__(self):
        self._store = {}  #> declare

    def add(self, conversation_id, role, content):
        self._store.setdefault(conversation_id, {"messages": []})["messages"].append({"role": role, "content": content})  #> append

    def __contains__(self, conversation_id):
        return conversation_id in self._store  #> check

    def __getitem__(self, cid):
        return self._store[cid]  #> read

    def __setitem__(self, cid, session):
        self._store[cid] = session  #> unclassified

    def __delitem__(self, cid):
        del self._store[cid]  #> delete

manager = ConversationManager()

def handler(cid):
    if cid in manager:  #> check
        manager[cid]["messages"].append({"role": "user", "content": "x"})  #> append
    else:
        manager[cid] = {"messages": []}  #> create
    history = manager[cid]["messages"]  #> read
    history.append({"role": "user", "content": "x"})  #> append
    del manager[cid]  #> delete

# === a manager that only deletes by an operator
class Chats:
    def __init__(self):
        self.histories = {}  #> declare

    def add(self, chat_id, text):
        self.histories.setdefault(chat_id, []).append({"role": "user", "content": text})  #> append

    def __delitem__(self, chat_id):
        self.histories.pop(chat_id)  #> delete

    def __contains__(self, item):
        return item == "x"

chats = Chats()

def end(chat_id):
    print("x" in chats)
    del chats[chat_id]  #> delete

# === under a key of the state
STATE = {"sessions": {}, "n": 0}  #> declare

def add(thread_id, role, text):
    STATE["n"] += 1
    STATE["sessions"].setdefault(thread_id, []).append({"role": role, "content": text})  #> append
    STATE["sessions"][thread_id] = STATE["sessions"][thread_id] + [{"role": role, "content": text}]  #> append
    state = STATE
    return state.get("sessions")[thread_id][-10:]  #> last-n

def reset():
    global STATE
    STATE = {"sessions": {}, "n": 0}  #> declare

def save(path):
    json.dump(STATE, open(path, "w"))  #> unclassified

# === under a key of dict()
config = dict(sessions={}, model="gpt-4o")  #> declare

def begin(thread_id, text):
    config["sessions"][thread_id] = [{"role": "user", "content": text}]  #> create

# === of an object's own state
class Bot:
    def __init__(self):
        self.state = {"chats": {}, "users": {}}  #> declare

    def on(self, chat_id, text):
        self.state["users"][chat_id] = {"name": "x"}
        self.state["chats"].setdefault(chat_id, []).append({"role": "user", "content": text})  #> append

# === settings under keys
CONFIG = {"messages": {}, "limits": {}}

def limit(session_id):
    return CONFIG["limits"][session_id] < 10

# === of the class, from an object of it
class Chat:
    sessions: dict[str, list] = {}  #> declare

    def add(self, session_id, m):
        type(self).sessions.setdefault(session_id, []).append({"role": "user", "content": m})  #> append
        self.__class__.sessions[session_id].append({"role": "assistant", "content": "x"})  #> append
