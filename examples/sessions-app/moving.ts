import { createBackscroll, parityText } from "backscroll";
import express from "express";
import { answer, type ChatMessage, type Context, learn } from "./answer.ts";
import { listen } from "./listen.ts";

const SESSIONS: Record<string, { messages: ChatMessage[]; context: Context }> = {};

const backscroll = await createBackscroll();
const sessions = backscroll.sessionStore({
  user: "demo@example.com",
  legacy: SESSIONS,
  shadowReads: 1,
  onMismatch: ({ sessionId, differences }) =>
    console.error(
      sessionId,
      differences.map(({ kind }) => kind),
    ),
});
/** For the endpoints that have moved. Take `moved` away from one, and it has moved back. */
const moved = sessions.with({ mode: "backscroll-first" });

const app = express();
app.use(express.json());

app.post("/chat", async (req, res) => {
  const { session_id: sessionId, message } = req.body as { session_id: string; message: string };
  await sessions.append(sessionId, { role: "user", content: message });
  await sessions.updateContext(sessionId, learn(message));
  const session = await sessions.get(sessionId, { limit: 20 });
  const response = answer(session?.messages ?? [], session?.context ?? {});
  await sessions.append(sessionId, { role: "assistant", content: response });
  res.json({ response });
});

app.get("/history/:sessionId", async (req, res) => {
  const session = await moved.get(req.params.sessionId, { limit: 20 });
  res.json({ messages: session?.messages ?? [] });
});

app.get("/context/:sessionId", async (req, res) => {
  res.json(await moved.getContext(req.params.sessionId));
});

app.patch("/context/:sessionId", async (req, res) => {
  await moved.updateContext(req.params.sessionId, req.body as object);
  res.json(await moved.getContext(req.params.sessionId));
});

app.post("/clear/:sessionId", async (req, res) => {
  await sessions.clear(req.params.sessionId);
  res.json({ cleared: true });
});

app.get("/parity", async (_req, res) => {
  res.type("text/plain").send(`${parityText(await sessions.parity())}\n`);
});

listen(app, backscroll.close);
