import { createBackscroll } from "backscroll";
import express from "express";
import { answer, type ChatMessage, type Context, learn } from "./answer.ts";
import { listen } from "./listen.ts";

const backscroll = await createBackscroll();
const sessions = backscroll.sessionStore<ChatMessage>({ user: "demo@example.com" });

async function addMessage(sessionId: string, message: ChatMessage): Promise<void> {
  await sessions.append(sessionId, message);
}

async function getMessages(sessionId: string): Promise<readonly ChatMessage[]> {
  const session = await sessions.get(sessionId, { limit: 20 });
  return session?.messages ?? [];
}

async function getContext(sessionId: string): Promise<Context> {
  return sessions.getContext(sessionId);
}

async function updateContext(sessionId: string, changes: Context): Promise<void> {
  await sessions.updateContext(sessionId, changes);
}

async function clearSession(sessionId: string): Promise<void> {
  await sessions.clear(sessionId);
}

const app = express();
app.use(express.json());

app.post("/chat", async (req, res) => {
  const { session_id: sessionId, message } = req.body as { session_id: string; message: string };
  await addMessage(sessionId, { role: "user", content: message });
  await updateContext(sessionId, learn(message));
  const response = answer(await getMessages(sessionId), await getContext(sessionId));
  await addMessage(sessionId, { role: "assistant", content: response });
  res.json({ response });
});

app.get("/history/:sessionId", async (req, res) => {
  res.json({ messages: await getMessages(req.params.sessionId) });
});

app.get("/context/:sessionId", async (req, res) => {
  res.json(await getContext(req.params.sessionId));
});

app.patch("/context/:sessionId", async (req, res) => {
  await updateContext(req.params.sessionId, req.body as Context);
  res.json(await getContext(req.params.sessionId));
});

app.post("/clear/:sessionId", async (req, res) => {
  await clearSession(req.params.sessionId);
  res.json({ cleared: true });
});

listen(app, backscroll.close);
