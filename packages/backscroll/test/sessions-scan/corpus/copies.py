# The messages are put into a copy, and that is put back: what is new in it is an append, wherever it was added.

# === the list with one more, in the same variable
histories = {}  #> declare

def chat(session_id, text):
    history = histories.get(session_id, [])  #> read
    history = history + [{"role": "user", "content": text}]  #> append
    histories[session_id] = history  #> write-back
    return history

# === a copy by list() that is appended to
histories = {}  #> declare

def chat(session_id, text):
    messages = list(histories.get(session_id, []))  #> read
    messages.append({"role": "user", "content": text})  #> append
    messages += [{"role": "assistant", "content": llm(messages)}]  #> append
    histories[session_id] = messages  #> write-back

# === longer in a variable, cut when it is put back
user_histories = {}  #> declare
MAX = 12

def on(m):
    h = user_histories.get(m.chat.id, [])  #> read
    h = h + [{"role": "user", "content": m.text}]  #> append
    user_histories[m.chat.id] = h[-MAX:]  #> trim
    user_histories.update({m.chat.id: user_histories[m.chat.id][-MAX:]})  #> trim, last-n

# === longer and cut in one expression
chat_histories = {}  #> declare

def add(session_id, message):
    chat_histories[session_id] = (chat_histories.get(session_id, []) + [message])[-20:]  #> append
    chat_histories[session_id] = chat_histories[session_id][-19:] + [{"role": "assistant", "content": "x"}]  #> append

# === copies of copies
import copy

conversations = {}  #> declare

def turn(conversation_id, text, reply):
    before = copy.deepcopy(conversations[conversation_id])  #> read
    asked = [*before, {"role": "user", "content": text}]  #> append
    answered = asked.copy()  #> read
    answered.append({"role": "assistant", "content": reply})  #> append
    conversations[conversation_id] = answered  #> write-back

# === a session with a longer list and another title
sessions = {}  #> declare

def add(session_id, message):
    session = sessions[session_id]  #> read
    messages = session["messages"] + [message]  #> append, read
    sessions[session_id] = {**session, "messages": messages}  #> write-back
    sessions[session_id] = {**sessions[session_id], "title": message["content"]}  #> context-write, read
    sessions[session_id] = dict(session, messages=[])  #> clear

# === the field is set to a longer copy
sessions = {}  #> declare

def add(session_id, text):
    messages = sessions[session_id]["messages"][:]  #> read
    messages.append({"role": "user", "content": text})  #> append
    sessions[session_id]["messages"] = messages  #> write-back

# === a variable that is extended in place
histories = {}  #> declare

def add(session_id, text):
    history = histories[session_id]  #> read
    history += [{"role": "user", "content": text}]  #> append

# === what is only sent is not saved
histories = {}  #> declare

def ask(session_id, text):
    history = histories[session_id]  #> read
    messages = history + [{"role": "system", "content": "Be short."}]
    messages.append({"role": "user", "content": text})
    reply = llm([{"role": "system", "content": "Be kind."}, *history])
    history.append({"role": "assistant", "content": reply})  #> append
    return llm(messages)

# === functions of others, comprehensions and what is put in front are told, and nothing is said of them
histories = {}  #> declare

def change(session_id, message):
    history = histories[session_id]  #> read
    histories[session_id] = with_message(history, message)  #> unclassified
    histories[session_id] = [m for m in history if m["role"] != "tool"]  #> unclassified
    histories[session_id] = [{"role": "system", "content": summary(history)}] + history[-4:]  #> unclassified, last-n
    histories[session_id] = history[:-1]  #> unclassified, read
    histories[session_id] = sorted(history, key=by_time)  #> unclassified

def save(session_id, messages):
    histories[session_id] = messages  #> unclassified

# === several at once
sessions = {}  #> declare

def load(path, session_id):
    global sessions
    sessions.update(json.load(open(path)))  #> unclassified
    sessions.update({session_id: {"messages": [{"role": "system", "content": "x"}]}})  #> create
    sessions |= {session_id: {"messages": []}}  #> create

# === a first message is in the default
histories = {}  #> declare

def add(session_id, text):
    history = histories.get(session_id, [{"role": "system", "content": "Be kind."}])  #> read
    history.append({"role": "user", "content": text})  #> append
    histories[session_id] = history  #> unclassified
    histories[session_id] = histories.get(session_id, [SYSTEM]) + [{"role": "user", "content": text}]  #> append, unclassified

def begin(session_id):
    histories[session_id] = histories.get(session_id, [SYSTEM])  #> create

# === parts of a session, set at once
sessions = {}  #> declare

def change(session_id, message, data):
    session = sessions[session_id]  #> read
    longer = session["messages"] + [message]  #> append, read
    session.update({"messages": longer, "title": "x"})  #> write-back, context-write
    session.update(title=message["content"], status="open")  #> context-write
    session.update(data)  #> unclassified
    session |= {"status": "done"}  #> context-write

# === what goes from the end is no trim
histories = {}  #> declare

def undo(session_id):
    history = histories[session_id]  #> read
    del history[-2:]  #> unclassified
    del history[20:]  #> unclassified
    del history[:-20]  #> trim
    del history[1:-20]  #> trim
    del history[:]  #> clear
    history[:] = history[:-2]  #> unclassified, read
    history[:] = history[-20:]  #> trim
    history[:] = history + [{"role": "user", "content": "x"}]  #> append
    history[:] = []  #> clear
    history.rotate(1)  #> unclassified
