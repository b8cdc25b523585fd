import uuid
from collections import defaultdict

from flask import Flask, jsonify, request, session

import llm

app = Flask(__name__)
app.secret_key = "dev"

chat_sessions = defaultdict(lambda: {"messages": [], "created": None})  #> declare
rate = {}


def current_id():
    if "sid" not in session:
        session["sid"] = str(uuid.uuid4())
    return session["sid"]


@app.before_request
def limit():
    ip = request.remote_addr
    rate[ip] = rate.get(ip, 0) + 1


@app.route("/api/chat", methods=["POST"])
def chat():
    sid = current_id()
    messages = chat_sessions[sid]["messages"]  #> read
    messages.append({"role": "user", "content": request.json["message"]})  #> append
    answer = llm.complete(messages)
    messages.append({"role": "assistant", "content": answer})  #> append
    if len(messages) > 40:
        chat_sessions[sid]["messages"] = messages[-40:]  #> trim
    return jsonify(answer=answer)


@app.route("/api/history")
def history():
    return jsonify(chat_sessions[current_id()]["messages"])  #> read


@app.route("/api/reset", methods=["POST"])
def reset():
    chat_sessions.pop(current_id(), None)  #> delete
    session.clear()
    return "", 204
