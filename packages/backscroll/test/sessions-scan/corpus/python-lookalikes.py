# Nothing here is a dictionary of conversations.

# === SQLAlchemy
from sqlalchemy.orm import Session, sessionmaker

SessionLocal = sessionmaker(bind=engine)
sessions = {}  #> left-out

def get_db(session_id: str) -> Session:
    if session_id not in sessions:
        sessions[session_id] = SessionLocal()
    return sessions[session_id]

def add(session: Session, message):
    session.add(message)
    session.query(Message).filter_by(session_id=1).all()

# === requests and aiohttp
import requests

session = requests.Session()
sessions: dict[str, requests.Session] = {}

def for_host(host):
    if host not in sessions:
        sessions[host] = requests.Session()
    return sessions[host].get("/messages")

# === Flask's cookie session
from flask import session

@app.route("/chat", methods=["POST"])
def chat():
    if "messages" not in session:
        session["messages"] = []
    session["messages"].append({"role": "user", "content": request.json["text"]})
    session.modified = True
    return session.get("messages", [])

# === Streamlit
import streamlit as st

if "messages" not in st.session_state:
    st.session_state["messages"] = []
st.session_state.messages.append({"role": "user", "content": prompt})
for message in st.session_state.messages[-20:]:
    st.write(message["content"])

# === a cache of embeddings
embedding_cache = {}

def embed(text):
    if text not in embedding_cache:
        embedding_cache[text] = model.embed(text)
    return embedding_cache[text]

# === counters and rate limits
from collections import defaultdict
import time

request_counts = defaultdict(int)
hits = defaultdict(list)

def allow(user_id):
    request_counts[user_id] += 1
    hits[user_id].append(time.time())
    hits[user_id] = hits[user_id][-100:]
    return len(hits[user_id]) < 60

# === sockets by session
active_connections: dict[str, WebSocket] = {}
session_sockets = {}  #> left-out

async def connect(session_id: str, websocket: WebSocket):
    active_connections[session_id] = websocket
    session_sockets[session_id] = websocket
    await active_connections[session_id].send_json({"role": "system", "content": "hi"})

# === locks by session
import asyncio

_session_locks = {}  #> left-out

def lock_for(session_id):
    if session_id not in _session_locks:
        _session_locks[session_id] = asyncio.Lock()
    return _session_locks[session_id]

# === configuration
CONFIG = {}
CONFIG["messages"] = {"hello": "Hello", "bye": "Bye"}

def say(key):
    return CONFIG["messages"][key]

# === a local that dies with its call
def group(rows):
    by_session = {}
    for row in rows:
        by_session.setdefault(row.session_id, []).append({"role": row.role, "content": row.content})
    return by_session

# === logins, not conversations
sessions = {}  #> left-out

def login(user):
    token = secrets.token_hex()
    sessions[token] = {"user_id": user.id, "expires": time.time() + 3600}
    return token

def who(token):
    entry = sessions.get(token)
    return entry and entry["user_id"]

# === orders of a shop
orders = defaultdict(list)

def order(user_id, item):
    orders[user_id].append({"sku": item.sku, "amount": item.amount})

# === handlers by message type
handlers = {}

def register(kind, handler):
    handlers[kind] = handler

def dispatch(message):
    return handlers[message["type"]](message)
