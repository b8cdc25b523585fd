"""What the application keeps between requests."""
from datetime import datetime
from typing import Any, Dict

SESSIONS: Dict[str, Dict[str, Any]] = {}  #> declare
SETTINGS: Dict[str, Any] = {}


def new_session(session_id: str) -> Dict[str, Any]:
    session = {"messages": [], "context": {}, "created_at": datetime.utcnow()}
    SESSIONS[session_id] = session  #> create
    return session
