/** `session_store.py`: `store` and `async_store`, until the code that uses the dictionary has gone. */
export const PYTHON_SETUP = `# session_store.py: Python 3.9 or later, and nothing else
"""Sessions in Backscroll, over HTTP, in the place of a dictionary."""

import asyncio
import json
import os
import re
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

BASE = os.environ.get("BACKSCROLL_URL", "http://localhost:4100") + "/api"
# An admin's key acts for the user whom each store names; without authentication neither is needed.
KEY = os.environ.get("BACKSCROLL_KEY")
ROLES = {"human": "user", "ai": "assistant", "bot": "assistant", "model": "assistant", "developer": "system", "function": "tool"}


class BackscrollError(Exception):
    """What the service refuses, and why: status, and the problem that it answered with."""

    def __init__(self, status, problem):
        super().__init__(f"{status}: {problem}")
        self.status = status


class SessionStore:
    """The sessions of one user. A session that is not there has no messages and an empty context, and begins when it is written to."""

    def __init__(self, user=None):
        self._headers = {"content-type": "application/json"}
        if KEY:
            self._headers["x-api-key"] = KEY
        if user:
            self._headers["x-backscroll-user"] = user

    def with_user(self, user):
        """The store of another user, by email address: each request takes its own."""
        return SessionStore(user)

    def has(self, session_id):
        return self._session(session_id) is not None

    def get(self, session_id):
        """Its messages and its context, or None."""
        session = self._session(session_id)
        return session and {"messages": self._messages(session, None), "context": session["context"]}

    def messages(self, session_id, limit=None):
        """The newest of them, or all; the oldest of them first."""
        session = self._session(session_id)
        return self._messages(session, limit) if session else []

    def context(self, session_id):
        session = self._session(session_id)
        return session["context"] if session else {}

    def create(self, session_id, messages=(), context=None):
        """Begins a session, unless it is there."""
        if not self.has(session_id):
            self.begin(session_id, messages, context)

    def begin(self, session_id, messages=(), context=None):
        """Begins a session anew: the conversation before stays in the user's history."""
        made = self._call("POST", "/conversations", {})
        body = {"conversation_id": made["conversation_id"], "context": context or {}}
        self._call("PUT", _path(session_id), body)
        self.append(session_id, *messages)

    def append(self, session_id, *messages):
        """Each with a role, and with whatever else it has: it comes back as it was given, as JSON."""
        stored = [_to_stored(message) for message in messages]
        for start in range(0, len(stored), 100):
            self._call("POST", _path(session_id) + "/messages", {"messages": stored[start : start + 100]})

    def update_context(self, session_id, changes=(), remove=()):
        """What is not named stays."""
        body = {"context": dict(changes), "remove": list(remove)}
        if self._call("PATCH", _path(session_id), body) is None:
            self.begin(session_id, context=dict(changes))

    def set_context(self, session_id, context):
        session = self._session(session_id)
        if session is None:
            return self.begin(session_id, context=context)
        self._call("PUT", _path(session_id), {"conversation_id": session["conversation_id"], "context": context})

    def delete(self, session_id):
        """Ends it, if it is there: its conversation stays in the user's history."""
        self._call("DELETE", _path(session_id))

    def ids(self):
        ids, cursor = [], {}
        while True:
            page = self._call("GET", "/sessions?" + urlencode({"limit": 50, **cursor}))
            ids += [session["session_id"] for session in page["sessions"]]
            if not page["pagination"]["has_next"]:
                return ids
            cursor = {"cursor": page["pagination"]["next_cursor"]}

    def _session(self, session_id):
        return self._call("GET", _path(session_id))

    def _messages(self, session, limit):
        found, cursor = [], {}
        while limit is None or len(found) < limit:
            count = 200 if limit is None else min(200, limit - len(found))
            path = f"/conversations/{session['conversation_id']}/messages?" + urlencode({"limit": count, **cursor})
            page = self._call("GET", path) or {"messages": [], "has_more": False}
            found += page["messages"]
            if not page["has_more"]:
                break
            cursor = {"before": page["next_cursor"]}
        return [_from_stored(message) for message in reversed(found)]

    def _call(self, method, path, body=None):
        """The answer, or None where there is no such thing."""
        data = None if body is None else json.dumps(body, default=str).encode()
        try:
            with urlopen(Request(BASE + path, data, self._headers, method=method), timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code == 404:
                return None
            raise BackscrollError(error.code, error.read().decode()) from None


class AsyncSessionStore:
    """The same for \`async def\`: await each call."""

    def __init__(self, store):
        self._store = store

    def with_user(self, user):
        return AsyncSessionStore(self._store.with_user(user))

    def __getattr__(self, name):
        method = getattr(self._store, name)

        async def call(*args, **kwargs):
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


def _path(session_id):
    return "/sessions/" + quote(str(session_id), safe="")


def _to_stored(message):
    """What the service has no field for is metadata; \`session_message\` tells how it is given back."""
    if isinstance(message, (tuple, list)):
        message = dict(zip(("role", "content"), message))
    elif not isinstance(message, dict):
        message = message.model_dump() if hasattr(message, "model_dump") else vars(message)
    rest = json.loads(json.dumps(message, default=str))
    role, content, shape = rest.pop("role"), rest.pop("content", None), {}
    stored = {"role": ROLES.get(role, role), "content": content}
    if role in ROLES:
        shape["role"] = role
    if content is None:
        stored["content"] = ""
        shape["content"] = "null" if "content" in message else "absent"
    if isinstance(content, list):
        stored["content"] = "\\n".join(part["text"] for part in content if "text" in part)
        stored["parts"] = content
        shape["lists"] = {"content": len(content)}
    if re.fullmatch(r"(?!\\.{1,2}$)[A-Za-z0-9_.:-]{1,128}", str(rest.get("id", ""))) and isinstance(rest["id"], str):
        stored["id"] = rest.pop("id")
        shape["fields"] = ["id"]
    if shape or rest:
        stored["metadata"] = {**rest, "session_message": shape}
    return stored


def _from_stored(message):
    metadata = dict(message["metadata"] or {})
    shape = metadata.pop("session_message", None)
    if shape is None:
        return {"role": message["role"], "content": message["content"]}
    given = {"role": shape.get("role", message["role"]), **metadata}
    if shape.get("content") != "absent":
        given["content"] = None if "content" in shape else message["content"]
    parts, start = message.get("parts", []), 0
    for name, count in shape.get("lists", {}).items():
        given[name] = parts[start : start + count]
        start += count
    given.update({name: message[name] for name in shape.get("fields", [])})
    return {**given, **parts[-1]["data"]} if shape.get("more") else given


store = SessionStore(os.environ.get("BACKSCROLL_USER"))  # with users of your own, each request takes store.with_user(email)
async_store = AsyncSessionStore(store)
`;
