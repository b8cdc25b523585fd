# Written when the scan was done, and run once before anything was mended.

# === a chatbot class with a property and a limit
class AssistantBot:
    MAX_TURNS = 12

    def __init__(self, llm):
        self.llm = llm
        self.user_memory: Dict[int, Deque[dict]] = {}  #> declare

    def _memory(self, uid: int):
        if uid not in self.user_memory:  #> check
            self.user_memory[uid] = deque(maxlen=self.MAX_TURNS)  #> create
        return self.user_memory[uid]  #> read

    async def on_message(self, uid: int, text: str) -> str:
        mem = self._memory(uid)
        mem.append({"role": "user", "content": text})  #> append
        out = await self.llm.chat([*mem])
        mem.append({"role": "assistant", "content": out})  #> append
        return out

    def forget(self, uid: int):
        self.user_memory[uid].clear()  #> clear

# === a websocket endpoint that keeps the conversation by client
from fastapi import WebSocket, WebSocketDisconnect

conversations: dict[str, list[dict[str, str]]] = {}  #> declare
clients: dict[str, WebSocket] = {}

@app.websocket("/ws/{client_id}")
async def ws(websocket: WebSocket, client_id: str):
    await websocket.accept()
    clients[client_id] = websocket
    conversations[client_id] = [dict(role="system", content=SYSTEM)]  #> create
    try:
        while True:
            text = await websocket.receive_text()
            conversations[client_id].append(dict(role="user", content=text))  #> append
            reply = await complete(conversations[client_id])  #> read
            conversations[client_id].append(dict(role="assistant", content=reply))  #> append
            await websocket.send_text(reply)
    except WebSocketDisconnect:
        del conversations[client_id]  #> delete
        clients.pop(client_id)

# === a wrapper class around the dictionary, with dunder methods
class SessionStore:
    def __init__(self):
        self._data = {}  #> declare

    def __getitem__(self, sid):
        return self._data[sid]  #> read

    def __contains__(self, sid):
        return sid in self._data  #> check

    def start(self, sid, meta=None):
        self._data[sid] = dict(messages=[], metadata=meta or {})  #> create

    def add(self, sid, role, text):
        self._data[sid]["messages"] += [{"role": role, "text": text}]  #> append

    def tail(self, sid, k):
        return self._data[sid]["messages"][-k:]  #> last-n

# === Slack: threads, EAFP, f-strings
THREADS = {}  #> declare

def handle_mention(event, say):
    thread_ts = event.get("thread_ts", event["ts"])
    try:
        thread = THREADS[thread_ts]  #> read
    except KeyError:
        thread = THREADS[thread_ts] = []  #> create
    thread.append(f"User: {event['text']}")  #> append
    prompt = "\n".join(thread[-8:])  #> last-n
    answer = gpt(prompt)
    thread.append(f"Bot: {answer}")  #> append
    say(text=answer, thread_ts=thread_ts)

# === a chained get with or, returned with other things
sessions: "dict[str, dict]" = {}  #> declare

@app.get("/api/sessions/<session_id>")
def show(session_id):
    data = sessions.get(session_id) or {}  #> read
    return {
        "messages": data.get("messages", [])[-50:],  #> last-n
        "title": data.get("title"),  #> context-read
        "n": len(data.get("messages") or []),  #> read
    }

@app.post("/api/sessions/<session_id>")
def post(session_id):
    sessions.setdefault(session_id, {"messages": [], "title": None})["messages"].append(request.json)  #> append
    return "", 204

# === memory objects of an agent framework
agents_by_session = {}
memories = {}  #> declare

def get_memory(session_id):
    mem = memories.get(session_id)  #> read
    if mem is None:  #> check
        mem = ConversationBufferMemory(return_messages=True)
        memories[session_id] = mem  #> create
    return mem

def chat(session_id, text):
    memory = get_memory(session_id)
    out = llm.predict(memory.load_memory_variables({}), text)  #> read
    memory.chat_memory.add_user_message(text)  #> append
    memory.chat_memory.add_ai_message(out)  #> append
    return out

# === a metaclass singleton with a lock
import threading

class HistoryRegistry:
    _instance = None
    _lock = threading.Lock()

    def __new__(cls):
        with cls._lock:
            if cls._instance is None:
                cls._instance = super().__new__(cls)
                cls._instance.histories = {}
        return cls._instance

    def append(self, session_id, message):
        with self._lock:
            self.histories.setdefault(session_id, []).append({"role": "user", "content": message})  #> append
            if len(self.histories[session_id]) > 100:  #> read
                self.histories[session_id] = self.histories[session_id][-100:]  #> trim

# === a product catalogue by session is no conversation
carts = {}
recommendations = defaultdict(list)

def add_to_cart(session_id, product):
    carts.setdefault(session_id, []).append({"sku": product.sku, "qty": 1})
    recommendations[session_id].append(product.category)
