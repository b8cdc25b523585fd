from app.state import SESSIONS as S, new_session  #> import


def get_session(session_id: str) -> dict:
    if session_id not in S:  #> check
        return new_session(session_id)
    return S[session_id]  #> read


def add(session_id: str, role: str, content: str, **extra) -> None:
    session = get_session(session_id)
    session["messages"].append({"role": role, "content": content, **extra})  #> append


def window(session_id: str, size: int = 20) -> list:
    return get_session(session_id)["messages"][-size:]  #> last-n
