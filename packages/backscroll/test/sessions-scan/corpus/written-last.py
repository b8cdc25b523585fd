# A second set, written after the first was mended, and run once before anything else was.

# === Chainlit-like handlers with a helper module object
class Store:
    chats = defaultdict(list)  #> declare

db = Store()

async def on_message(user: str, msg: str):
    db.chats[user].append({"role": "user", "content": msg})  #> append
    resp = await acompletion(model="gpt-4o", messages=db.chats[user][-12:])  #> last-n
    db.chats[user].append(resp.choices[0].message.model_dump())  #> append

# === pydantic sessions with a typed helper
class ChatSession(BaseModel):
    id: str
    history: list[dict] = []
    vars: dict = {}

_live: dict[str, ChatSession] = dict()  #> declare

def load(sid: str) -> ChatSession:
    return _live.setdefault(sid, ChatSession(id=sid))  #> create

def record(sid: str, who: str, what: str) -> None:
    sess = load(sid)
    sess.history.append({"role": who, "content": what})  #> append
    sess.vars["count"] = len(sess.history)  #> context-write, read

# === deletion by comprehension and by rebinding
SESSIONS = {}  #> declare

def add(session_id, text):
    SESSIONS.setdefault(session_id, {"messages": []})["messages"].append({"role": "user", "content": text})  #> append

def gc(now):
    global SESSIONS
    SESSIONS = {k: v for k, v in SESSIONS.items() if now - v["ts"] < 60}  #> declare, iterate, context-read

# === django view with a module cache
CONVERSATIONS = {}  #> declare

def chat_view(request, conversation_id):
    conv = CONVERSATIONS.get(conversation_id, [])  #> read
    if request.method == "POST":
        conv = conv + [{"role": "user", "content": request.POST["text"]}]  #> append
        CONVERSATIONS[conversation_id] = conv  #> write-back
    elif request.method == "DELETE":
        CONVERSATIONS.pop(conversation_id, None)  #> delete
    return JsonResponse({"messages": CONVERSATIONS.get(conversation_id, [])})  #> read

# === dependency list by task is none
tasks = {}
deps = defaultdict(list)

def add_dep(task_id, dep):
    deps[task_id].append(dep)
    tasks.setdefault(task_id, {"status": "new", "messages": 0})
