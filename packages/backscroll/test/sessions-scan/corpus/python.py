# Each part below a line of = is a file of its own. A line ends in what is found on it; on other lines nothing is.

# === the guide's own helpers
from datetime import datetime
from typing import List

SESSIONS = {}  #> declare

def create_session(session_id: str):
    SESSIONS[session_id] = {  #> create
        "messages": [],
        "context": {},
        "created_at": datetime.now()
    }

def add_message(session_id: str, message: dict):
    if session_id not in SESSIONS:  #> check
        create_session(session_id)
    SESSIONS[session_id]["messages"].append(message)  #> append

def get_messages(session_id: str) -> List[dict]:
    return SESSIONS.get(session_id, {}).get("messages", [])  #> read

def clear_session(session_id: str):
    if session_id in SESSIONS:  #> check
        del SESSIONS[session_id]  #> delete

# === another name, and annotations
from typing import Any, Dict, List

chat_histories: Dict[str, List[Dict[str, Any]]] = {}  #> declare

def remember(chat_id: str, role: str, content: str) -> None:
    chat_histories.setdefault(chat_id, []).append({"role": role, "content": content})  #> append

def recall(chat_id: str, n: int = 20):
    return chat_histories.get(chat_id, [])[-n:]  #> last-n

# === defaultdict of lists, keyed by user
from collections import defaultdict

history = defaultdict(list)  #> declare

def chat(user_id, text):
    history[user_id].append({"role": "user", "content": text})  #> append
    reply = client.chat.completions.create(model="gpt-4o", messages=history[user_id])  #> read
    answer = reply.choices[0].message.content
    history[user_id].append({"role": "assistant", "content": answer})  #> append
    if len(history[user_id]) > 20:  #> read
        history[user_id] = history[user_id][-20:]  #> trim
    return answer

# === defaultdict with a lambda that makes records
from collections import defaultdict

_store = defaultdict(lambda: {"messages": [], "context": {}})  #> declare

def handle(session_id, message):
    session = _store[session_id]  #> read
    session["messages"].append({"role": "user", "content": message})  #> append
    session["context"]["last_topic"] = classify(message)  #> context-write
    topic = session["context"].get("last_topic")  #> context-read
    return topic

# === a local variable stands for the session
SESSIONS: dict[str, dict] = {}  #> declare

def respond(sid, text):
    s = SESSIONS.get(sid)  #> read
    if s is None:  #> check
        s = {"messages": [], "context": {}}
        SESSIONS[sid] = s  #> create
    s["messages"].append({"role": "user", "content": text})  #> append
    recent = s["messages"][-10:]  #> last-n
    s["context"]["turns"] = len(s["messages"])  #> context-write, read
    return recent

# === an attribute of a class
class ChatBot:
    def __init__(self):
        self._sessions = {}  #> declare

    def ask(self, session_id, question):
        if session_id not in self._sessions:  #> check
            self._sessions[session_id] = []  #> create
        self._sessions[session_id].append({"role": "user", "content": question})  #> append
        messages = self._sessions[session_id]  #> read
        answer = self.llm(messages)
        messages.append({"role": "assistant", "content": answer})  #> append
        return answer

    def reset(self, session_id):
        self._sessions.pop(session_id, None)  #> delete

# === an attribute of the class itself, reached by its name and by cls
class Memory:
    conversations: dict[str, list] = {}  #> declare

    @classmethod
    def add(cls, conversation_id: str, role: str, content: str):
        cls.conversations.setdefault(conversation_id, []).append({"role": role, "content": content})  #> append

def dump(conversation_id):
    return Memory.conversations[conversation_id]  #> read

# === an object of the class, from outside
class SessionManager:
    def __init__(self) -> None:
        self.sessions: dict[str, dict] = {}  #> declare

    def get_or_create(self, session_id: str) -> dict:
        if session_id not in self.sessions:  #> check
            self.sessions[session_id] = {"messages": []}  #> create
        return self.sessions[session_id]  #> read

manager = SessionManager()

def talk(session_id, text):
    session = manager.get_or_create(session_id)
    session["messages"].append({"role": "user", "content": text})  #> append
    return len(manager.sessions)  #> iterate

# === a helper gives the session
sessions = {}  #> declare

def _get(session_id):
    return sessions.setdefault(session_id, {"history": [], "state": {}})  #> create

def turn(session_id, text):
    _get(session_id)["history"].append({"role": "user", "content": text})  #> append
    sess = _get(session_id)
    sess["state"]["mood"] = "good"  #> context-write
    return sess["history"][-6:]  #> last-n

# === iterating, and removing what is old
import time

SESSIONS = {}  #> declare

def touch(session_id):
    SESSIONS[session_id] = {"messages": [], "last_active": time.time()}  #> create

def cleanup(max_age):
    now = time.time()
    expired = [sid for sid, s in SESSIONS.items() if now - s["last_active"] > max_age]  #> iterate, context-read
    for sid in expired:
        del SESSIONS[sid]  #> delete
    for sid in list(SESSIONS.keys()):  #> iterate
        SESSIONS.pop(sid, None)  #> delete
    return {"active": len(SESSIONS)}  #> iterate

# === a global that is replaced
_sessions = None  #> declare

def init():
    global _sessions
    _sessions = {}  #> declare

def put(session_id, message):
    _sessions.setdefault(session_id, []).append({"role": "user", "content": message})  #> append

# === langchain's get_session_history
from langchain_core.chat_history import BaseChatMessageHistory, InMemoryChatMessageHistory

store = {}  #> declare

def get_session_history(session_id: str) -> BaseChatMessageHistory:
    if session_id not in store:  #> check
        store[session_id] = InMemoryChatMessageHistory()  #> create
    return store[session_id]  #> read

chain = RunnableWithMessageHistory(prompt | llm, get_session_history)  #> unclassified

# === tuples instead of dictionaries
CHATS = {}  #> declare

def log_turn(sid, user_text, bot_text):
    CHATS.setdefault(sid, [])  #> create
    CHATS[sid].append(("user", user_text))  #> append
    CHATS[sid].append(("assistant", bot_text))  #> append

def transcript(sid):
    return "\n".join(f"{who}: {what}" for who, what in CHATS.get(sid, []))  #> read

# === dataclass sessions
from dataclasses import dataclass, field

@dataclass
class Session:
    id: str
    messages: list = field(default_factory=list)
    context: dict = field(default_factory=dict)

ACTIVE: dict[str, Session] = {}  #> declare

def open_session(session_id: str) -> Session:
    session = ACTIVE.get(session_id)  #> read
    if not session:  #> check
        session = Session(id=session_id)
        ACTIVE[session_id] = session  #> create
    return session

def say(session_id, text):
    session = open_session(session_id)
    session.messages.append({"role": "user", "content": text})  #> append
    session.context["lang"] = "en"  #> context-write

# === a dataclass that holds them
from dataclasses import dataclass, field

@dataclass
class AppState:
    sessions: dict[str, list[dict]] = field(default_factory=dict)  #> declare

    def add(self, session_id, msg):
        self.sessions.setdefault(session_id, []).append(msg)  #> append

# === a Flask closure
from flask import Flask, jsonify, request

def create_app():
    app = Flask(__name__)
    conversations = {}  #> declare

    @app.post("/chat")
    def chat():
        data = request.get_json()
        cid = data["conversation_id"]
        conversations.setdefault(cid, []).append({"role": "user", "content": data["message"]})  #> append
        return jsonify(conversations[cid])  #> read

    @app.delete("/chat/<cid>")
    def forget(cid):
        if conversations.pop(cid, None) is None:  #> delete
            return "", 404
        return "", 204

    return app

# === FastAPI's application state
from fastapi import FastAPI, Request

app = FastAPI()
app.state.sessions = {}  #> declare

@app.post("/chat")
async def chat(request: Request, body: dict):
    session_id = body["session_id"]
    sessions = request.app.state.sessions  #> alias
    if session_id not in sessions:  #> check
        sessions[session_id] = {"messages": []}  #> create
    sessions[session_id]["messages"].append({"role": "user", "content": body["text"]})  #> append
    return sessions[session_id]["messages"][-20:]  #> last-n

# === FastAPI's Depends
from fastapi import Depends, FastAPI

app = FastAPI()
SESSIONS = {}  #> declare

def current_session(session_id: str):
    return SESSIONS.setdefault(session_id, {"messages": []})  #> create

@app.post("/say")
def say(text: str, session: dict = Depends(current_session)):
    session["messages"].append({"role": "user", "content": text})  #> append
    return {"count": len(session["messages"])}  #> read

# === emptying the messages, the context whole
SESSIONS = {}  #> declare

def reset(sid):
    SESSIONS[sid]["messages"] = []  #> clear
    SESSIONS[sid]["messages"].clear()  #> clear
    SESSIONS[sid]["context"] = {}  #> context-write
    SESSIONS[sid]["context"].update({"a": 1})  #> context-write
    SESSIONS[sid]["user_name"] = "Ada"  #> context-write
    return SESSIONS[sid].get("user_name", "you")  #> context-read

def reset_all():
    SESSIONS.clear()  #> delete

# === += and extend
history_by_session = {}  #> declare

def both(session_id, q, a):
    history_by_session[session_id] += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]  #> append
    history_by_session[session_id].extend([{"role": "user", "content": q}])  #> append
    history_by_session[session_id] = history_by_session[session_id] + [{"role": "user", "content": q}]  #> append

# === trimming in all its ways
SESSIONS = {}  #> declare

def trim(sid, m):
    SESSIONS[sid]["messages"].append(m)  #> append
    SESSIONS[sid]["messages"] = SESSIONS[sid]["messages"][-50:]  #> trim
    del SESSIONS[sid]["messages"][:-50]  #> trim
    while len(SESSIONS[sid]["messages"]) > 50:  #> read
        SESSIONS[sid]["messages"].pop(0)  #> trim
    msgs = SESSIONS[sid]["messages"]  #> read
    msgs[:] = msgs[-50:]  #> trim

# === what fits no pattern
import json

SESSIONS = {}  #> declare

def odd(session_id, chunk):
    SESSIONS[session_id]["messages"].append({"role": "user", "content": chunk})  #> append
    SESSIONS[session_id]["messages"][-1]["content"] += chunk  #> unclassified
    SESSIONS[session_id]["messages"].pop()  #> unclassified
    SESSIONS[session_id]["messages"].insert(0, {"role": "system", "content": "Be kind"})  #> unclassified
    with open("sessions.json", "w") as f:
        json.dump(SESSIONS, f)  #> unclassified
    return SESSIONS  #> unclassified

# === a dictionary handed to a helper
SESSIONS = {}  #> declare

def append_to(store, sid, role, content):
    store.setdefault(sid, {"messages": []})  #> create
    store[sid]["messages"].append({"role": role, "content": content})  #> append

def main(session_id, text):
    append_to(SESSIONS, session_id, "user", text)  #> alias

# === the last question, the first, a whole copy
LOGS = {}  #> declare

def look(session_id):
    LOGS.setdefault(session_id, []).append({"role": "user", "content": "hi"})  #> append
    last = LOGS[session_id][-1]  #> last-n
    first = LOGS[session_id][0]  #> read
    everything = list(LOGS[session_id])  #> read
    backwards = LOGS[session_id][::-1]  #> read
    return last, first, everything, backwards

# === a TTL cache
from cachetools import TTLCache

chat_sessions = TTLCache(maxsize=1000, ttl=3600)  #> declare

def on_message(chat_id, text):
    messages = chat_sessions.get(chat_id) or []  #> read
    messages.append({"role": "user", "content": text})  #> append
    chat_sessions[chat_id] = messages  #> write-back

# === a walrus and a try
SESSIONS = {}  #> declare

def latest(session_id):
    if (session := SESSIONS.get(session_id)) is None:  #> check, read
        return []
    try:
        return SESSIONS[session_id]["messages"]  #> read
    except KeyError:
        return session["messages"]  #> read

# === a telegram bot
user_conversations = {}  #> declare

async def on_text(update, context):
    chat_id = update.effective_chat.id
    if chat_id not in user_conversations:  #> check
        user_conversations[chat_id] = [{"role": "system", "content": PROMPT}]  #> create
    user_conversations[chat_id].append({"role": "user", "content": update.message.text})  #> append
    r = await openai.ChatCompletion.acreate(model=M, messages=user_conversations[chat_id])  #> read
    user_conversations[chat_id].append(r["choices"][0]["message"])  #> append

# === gemini keeps the messages inside its object
chats = {}  #> declare

def ask(session_id, text):
    if session_id not in chats:  #> check
        chats[session_id] = model.start_chat(history=[])  #> create
    return chats[session_id].send_message(text).text  #> unclassified

# === a match in comments and strings only is none
# SESSIONS[session_id]["messages"].append(m)
HELP = """
SESSIONS = {}
SESSIONS[session_id] = {"messages": []}
"""
def f(session_id):
    return "SESSIONS[session_id]['messages']"
