// Each part below a line of = is a file of its own. A line ends in what is found on it; on other lines nothing is.

// === an object, typed
interface Message { role: "user" | "assistant"; content: string }
interface Session { messages: Message[]; context: Record<string, unknown> }

const SESSIONS: Record<string, Session> = {}; //> declare

export function createSession(sessionId: string): void {
  SESSIONS[sessionId] = { messages: [], context: {} }; //> create
}

export function addMessage(sessionId: string, message: Message): void {
  if (!(sessionId in SESSIONS)) createSession(sessionId); //> check
  SESSIONS[sessionId].messages.push(message); //> append
}

export function getMessages(sessionId: string): Message[] {
  return SESSIONS[sessionId]?.messages ?? []; //> read
}

export function clearSession(sessionId: string): void {
  if (SESSIONS[sessionId]) delete SESSIONS[sessionId]; //> check, delete
}

// === a Map
const sessions = new Map<string, { messages: any[]; context: any }>(); //> declare

export async function handle(sessionId: string, text: string) {
  if (!sessions.has(sessionId)) { //> check
    sessions.set(sessionId, { messages: [], context: {} }); //> create
  }
  const session = sessions.get(sessionId)!; //> read
  session.messages.push({ role: "user", content: text }); //> append
  const recent = session.messages.slice(-20); //> last-n
  session.context.topic = text; //> context-write
  return { recent, topic: session.context.topic }; //> context-read
}

// === a Map of lists
type Msg = { role: string; content: string };
const histories = new Map<string, Msg[]>(); //> declare

function remember(id: string, msg: Msg) {
  const list = histories.get(id) ?? []; //> read
  list.push(msg); //> append
  histories.set(id, list); //> write-back
}

function forget(id: string) {
  return histories.delete(id); //> delete
}

// === a class with a private field
class ConversationStore {
  private readonly conversations: Map<string, Message[]> = new Map(); //> declare

  append(conversationId: string, message: Message): void {
    const existing = this.conversations.get(conversationId); //> read
    if (existing) { //> check
      existing.push(message); //> append
    } else {
      this.conversations.set(conversationId, [message]); //> create
    }
  }

  last(conversationId: string, n: number): Message[] {
    return (this.conversations.get(conversationId) || []).slice(-n); //> last-n
  }

  clear(conversationId: string): void {
    this.conversations.delete(conversationId); //> delete
  }
}

// === a hash-private and a static field
class Chat {
  static sessions = new Map<string, { history: unknown[] }>(); //> declare
  #id: string;

  say(content: string) {
    Chat.sessions.get(this.#id)!.history.push({ role: "user", content }); //> append
  }

  static count() {
    return Chat.sessions.size; //> iterate
  }
}

// === an object of the class, elsewhere in the file
class SessionManager {
  sessions: Map<string, any> = new Map(); //> declare
  get(id: string) {
    let s = this.sessions.get(id); //> read
    if (!s) { //> check
      s = { messages: [] };
      this.sessions.set(id, s); //> create
    }
    return s;
  }
}
const manager = new SessionManager();

export function talk(sessionId: string, content: string) {
  const session = manager.get(sessionId);
  session.messages.push({ role: "user", content }); //> append
  manager.sessions.delete(sessionId); //> delete
}

// === destructuring
const store = new Map<string, { messages: any[]; context: any }>(); //> declare

export function history(sessionId: string) {
  const { messages, context } = store.get(sessionId) ?? { messages: [], context: {} }; //> read
  messages.push({ role: "user", content: "hi" }); //> append
  return messages.slice(-5); //> last-n
}

// === spread instead of push
let chats: Record<string, { role: string; content: string }[]> = {}; //> declare

export function add(chatId: string, role: string, content: string) {
  chats[chatId] = [...(chats[chatId] || []), { role, content }]; //> append
  chats[chatId] = chats[chatId].concat({ role, content }); //> append
  chats[chatId] = chats[chatId].slice(-50); //> trim
}

// === ??= and ||=
const sessions: { [id: string]: { messages: unknown[] } } = {}; //> declare

export const touch = (sessionId: string) => {
  sessions[sessionId] ??= { messages: [] }; //> create
  (sessions[sessionId] ||= { messages: [] }).messages.push({ role: "user", content: "x" }); //> create, append
};

// === iterating
const sessions = new Map<string, { messages: unknown[]; lastActive: number }>(); //> declare

export function start(sessionId: string) {
  sessions.set(sessionId, { messages: [], lastActive: Date.now() }); //> create
}

setInterval(() => {
  for (const [id, session] of sessions) { //> iterate
    if (Date.now() - session.lastActive > 3600_000) sessions.delete(id); //> context-read, delete
  }
  sessions.forEach((session, id) => { //> iterate
    session.lastActive = 0; //> context-write
  });
  const ids = [...sessions.keys()]; //> iterate
  const busy = Array.from(sessions.values()).filter((s) => s.messages.length > 0); //> iterate, read
}, 60_000);

// === Object.keys and friends
const SESSIONS: Record<string, any> = Object.create(null); //> declare

export function stats(sessionId: string) {
  SESSIONS[sessionId] = { messages: [] }; //> create
  if (Object.prototype.hasOwnProperty.call(SESSIONS, sessionId)) return 1; //> check
  if (Object.hasOwn(SESSIONS, sessionId)) return 2; //> check
  for (const id in SESSIONS) console.log(id); //> iterate
  return Object.entries(SESSIONS).map(([id, s]) => ({ id, n: s.messages.length })); //> iterate, read
}

// === a helper gives the session
const sessions = new Map<string, { messages: Msg[]; context: Record<string, string> }>(); //> declare

const getSession = (id: string) => {
  if (!sessions.get(id)) sessions.set(id, { messages: [], context: {} }); //> check, create
  return sessions.get(id)!; //> read
};

export function say(id: string, content: string) {
  getSession(id).messages.push({ role: "user", content }); //> append
  const s = getSession(id);
  s.context["lang"] = "en"; //> context-write
}

// === Express handlers, the id in the body
import express from "express";
const app = express();
const conversations: Map<string, ChatCompletionMessageParam[]> = new Map(); //> declare

app.post("/chat", async (req, res) => {
  const { conversationId, message } = req.body;
  const history = conversations.get(conversationId) || []; //> read
  history.push({ role: "user", content: message }); //> append
  const completion = await openai.chat.completions.create({ model: "gpt-4o", messages: history });
  history.push(completion.choices[0].message); //> append
  conversations.set(conversationId, history); //> write-back
  res.json({ reply: completion.choices[0].message.content });
});

app.get("/chat/:id", (req, res) => {
  res.json(conversations.get(req.params.id) ?? []); //> read
});

// === Hono, in a factory
import { Hono } from "hono";

export function createApp() {
  const app = new Hono();
  const memory = new Map<string, { messages: { role: string; content: string }[] }>(); //> declare
  app.post("/chat/:sid", async (c) => {
    const sid = c.req.param("sid");
    const entry = memory.get(sid) ?? { messages: [] }; //> read
    entry.messages.push({ role: "user", content: await c.req.text() }); //> append
    memory.set(sid, entry); //> write-back
    return c.json(entry.messages.slice(-10)); //> last-n
  });
  app.delete("/chat/:sid", (c) => c.json({ ok: memory.delete(c.req.param("sid")) })); //> delete
  return app;
}

// === globalThis survives hot reloads
declare global { var __chats: Map<string, { role: string; content: string }[]> | undefined }
const chats = (globalThis.__chats ??= new Map()); //> declare

export function push(chatId: string, content: string) {
  chats.set(chatId, [...(chats.get(chatId) ?? []), { role: "user", content }]); //> append
}

// === emptying, and what fits no pattern
const sessions = new Map<string, { messages: any[] }>(); //> declare

export function odd(sessionId: string, chunk: string) {
  const session = sessions.get(sessionId)!; //> read
  session.messages = []; //> clear
  session.messages.length = 0; //> clear
  session.messages.push({ role: "user", content: chunk }); //> append
  session.messages[session.messages.length - 1].content += chunk; //> unclassified, read
  session.messages.pop(); //> unclassified
  session.messages.shift(); //> trim
  session.messages.splice(0, 2); //> trim
  session.messages.unshift({ role: "system", content: "x" }); //> unclassified
  summarise(session); //> unclassified
  fs.writeFileSync("s.json", JSON.stringify([...sessions])); //> unclassified
  sessions.clear(); //> delete
}

// === a generic parameter's type only
type Session = { messages: string[] };
const live: Map<string, Session> = new Map(); //> declare

export const open = (sessionId: string, s: Session) => live.set(sessionId, s); //> unclassified
export const close = (sessionId: string) => live.delete(sessionId); //> delete

// === a cast and satisfies
const SESSIONS = {} as Record<string, { messages: any[] }>; //> declare

export function f(sessionId: string) {
  (SESSIONS as any)[sessionId].messages.push({ role: "user", content: "x" }); //> append
  return SESSIONS[sessionId]!.messages.at(-1); //> last-n
}

// === NestJS: an injectable with a map
@Injectable()
export class ChatService {
  private sessions: { [key: string]: ChatSession } = {}; //> declare

  create(sessionId: string): ChatSession {
    this.sessions[sessionId] = { id: sessionId, messages: [], createdAt: new Date() }; //> create
    return this.sessions[sessionId]; //> read
  }

  addUserMessage(sessionId: string, content: string) {
    const session = this.sessions[sessionId]; //> read
    if (!session) throw new NotFoundException(); //> check
    session.messages.push({ role: "user", content }); //> append
  }
}

// === the session's id in an expression
const threads: Record<string, { turns: { role: string; content: string }[] }> = {}; //> declare

export default async function handler(req: Request) {
  const body = await req.json();
  threads[body.threadId ?? "default"] ||= { turns: [] }; //> create
  threads[body.threadId ?? "default"].turns.push({ role: "user", content: body.text }); //> append
  return Response.json(threads[body.threadId ?? "default"].turns.slice(-12)); //> last-n
}
