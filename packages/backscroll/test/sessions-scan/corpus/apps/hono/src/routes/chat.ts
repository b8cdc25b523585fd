import { Hono } from "hono";
import { streamText } from "ai";
import { chatSessions, ensure, type ChatMessage } from "@/lib"; //> import
import * as state from "../lib/sessions";

export const chat = new Hono();

chat.post("/:sessionId", async (c) => {
  const { sessionId } = c.req.param();
  const { text } = await c.req.json<{ text: string }>();
  const session = ensure(sessionId);
  session.messages.push({ role: "user", content: text }); //> append
  const result = streamText({
    model,
    messages: chatSessions.get(sessionId)!.messages.slice(-30), //> last-n
    onFinish: ({ text }) => {
      state.sessions.get(sessionId)?.messages.push({ role: "assistant", content: text }); //> append
    },
  });
  session.context.locale = c.req.header("accept-language"); //> context-write
  return result.toTextStreamResponse();
});

chat.get("/", (c) => c.json([...state.sessions.keys()])); //> iterate
