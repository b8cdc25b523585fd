from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from app import state
from app.services import memory
from ..services.memory import get_session as load

router = APIRouter()


class ChatRequest(BaseModel):
    session_id: str
    message: str


@router.post("/chat")
async def chat(req: ChatRequest):
    memory.add(req.session_id, "user", req.message)
    reply = await ask(memory.window(req.session_id))
    memory.add(req.session_id, "assistant", reply)
    load(req.session_id)["context"]["last"] = req.message  #> context-write
    return {"response": reply}


@router.get("/sessions")
async def list_sessions():
    return [
        {"id": sid, "count": len(s["messages"])}  #> read
        for sid, s in state.SESSIONS.items()  #> iterate
    ]


@router.delete("/sessions/{session_id}")
async def end(session_id: str):
    if session_id not in state.SESSIONS:  #> check
        raise HTTPException(404)
    del state.SESSIONS[session_id]  #> delete
    state.SETTINGS["ended"] = session_id
