import express from "express";
import { answer, type ChatMessage, type Context, learn } from "./answer.ts";
import { listen } from "./listen.ts";

interface Session {
  messages: ChatMessage[];
  context: Context;
  created_at: Date;
}

const SESSIONS: Record<string, Session> = {};

function createSession(sessionId: string): Session {
  const session = { messages: [], context: {}, created_at: new Date() };
  SESSIONS[sessionId] = session;
  return session;
}

function addMessage(sessionId: string, message: ChatMessage): void {
  const session = SESSIONS[sessionId] ?? createSession(sessionId);
  session.messages.push(message);
}

function getMessages(sessionId: string): ChatMessage[] {
  return SESSIONS[sessionId]?.messages.slice(-20) ?? [];
}

function getContext(sessionId: string): Context {
  return SESSIONS[sessionId]?.context ?? {};
}

function updateContext(sessionId: string, changes: Context): void {
  const session = SESSIONS[sessionId] ?? createSession(sessionId);
  Object.assign(session.context, changes);
}

function clearSession(sessionId: string): void {
  delete SESSIONS[sessionId];
}

const app = express();
app.use(express.json());

app.post("/chat", (req, res) => {
  const { session_id: sessionId, message } = req.body as { session_id: string; message: string };
  addMessage(sessionId, { role: "user", content: message });
  updateContext(sessionId, learn(message));
  const response = answer(getMessages(sessionId), getContext(sessionId));
  addMessage(sessionId, { role: "assistant", content: response });
  res.json({ response });
});

app.get("/history/:sessionId", (req, res) => {
  res.json({ messages: getMessages(req.params.sessionId) });
});

app.get("/context/:sessionId", (req, res) => {
  res.json(getContext(req.params.sessionId));
});

app.patch("/context/:sessionId", (req, res) => {
  updateContext(req.params.sessionId, req.body as Context);
  res.json(getContext(req.params.sessionId));
});

app.post("/clear/:sessionId", (req, res) => {
  clearSession(req.params.sessionId);
  res.json({ cleared: true });
});

listen(app);
