# Sessions by name and by key, and no conversations.

# === sessions of a database, made by a function
db_sessions = {}  #> left-out

def db(session_id, factory):
    db_sessions[session_id] = factory()
    return db_sessions[session_id].query("x")

# === sessions of a game
game_sessions = {}  #> left-out

def move(session_id, m):
    game_sessions[session_id]["moves"].append(m)
    game_sessions[session_id]["score"] += 1

# === sessions of a class that has no messages
class QuizSession:
    def __init__(self):
        self.answers = []

quiz_sessions: dict[str, QuizSession] = {}  #> left-out

def answer(session_id, a):
    if session_id not in quiz_sessions:
        quiz_sessions[session_id] = QuizSession()
    quiz_sessions[session_id].answers.append(a)

# === events by session
session_events = defaultdict(list)  #> left-out

def track(session_id, event):
    session_events[session_id].append(event)

# === ids of conversations by user
conversations_by_user = {}  #> left-out

def index(rows):
    for r in rows:
        conversations_by_user.setdefault(r.user_id, []).append(r.conversation_id)

# === a class of this file that has messages makes sessions of them
class Live:
    def __init__(self):
        self.messages = []

sessions: dict[str, Live] = {}  #> declare

def drop(session_id):
    del sessions[session_id]  #> delete
