// Written when the scan was done, and run once before anything was mended.

// === Fastify with a plugin's decorator-free closure
import type { FastifyPluginAsync } from "fastify";

const plugin: FastifyPluginAsync = async (fastify) => {
  const chatStates: { [chatId: string]: { log: Array<{ role: string; content: string }>; ctx: Record<string, any> } } = {}; //> declare

  fastify.post<{ Params: { chatId: string }; Body: { text: string } }>("/:chatId", async (request, reply) => {
    const { chatId } = request.params;
    const state = (chatStates[chatId] = chatStates[chatId] ?? { log: [], ctx: {} }); //> create
    state.log.push({ role: "user", content: request.body.text }); //> append
    state.ctx.lastSeen = Date.now(); //> context-write
    const answer = await llm(state.log.slice(-16)); //> last-n
    state.log.push({ role: "assistant", content: answer }); //> append
    return reply.send({ answer });
  });
};
export default plugin;

// === a repository interface and its in-memory maker
export interface HistoryRepository { load(id: string): Promise<Turn[]>; save(id: string, turn: Turn): Promise<void> }

export class InMemoryHistoryRepository implements HistoryRepository {
  readonly #turns = new Map<string, Turn[]>(); //> declare

  async load(id: string): Promise<Turn[]> {
    return structuredClone(this.#turns.get(id) ?? []); //> read
  }

  async save(id: string, turn: Turn): Promise<void> {
    const turns = this.#turns.get(id); //> read
    if (turns === undefined) this.#turns.set(id, [turn]); //> check, create
    else turns.push(turn); //> append
  }
}

// === a functional update with spread
let conversations: Record<string, Conversation> = {}; //> declare

export function addMessage(conversationId: string, message: ChatMessage): Conversation {
  const current = conversations[conversationId] || { id: conversationId, messages: [], metadata: {} }; //> read
  const updated = { ...current, messages: [...current.messages, message] }; //> read, append
  conversations[conversationId] = updated; //> write-back
  return updated;
}

// === a Telegraf bot with a middleware
const store = new Map<number, { messages: OpenAI.ChatCompletionMessageParam[] }>(); //> declare

bot.use(async (ctx, next) => {
  if (ctx.chat && !store.has(ctx.chat.id)) store.set(ctx.chat.id, { messages: [] }); //> check, create
  await next();
});

bot.on("text", async (ctx) => {
  const { messages } = store.get(ctx.chat.id)!; //> read
  messages.push({ role: "user", content: ctx.message.text }); //> append
  const { choices } = await openai.chat.completions.create({ model, messages });
  messages.push(choices[0]!.message); //> append
  while (messages.length > 30) messages.shift(); //> read, trim
  await ctx.reply(choices[0]!.message.content ?? "");
});

bot.command("reset", (ctx) => store.delete(ctx.chat.id)); //> delete

// === a Next.js route with a module cache and an optional chain
type Cached = { history: { role: "user" | "assistant"; text: string }[]; expiresAt: number };
const g = globalThis as unknown as { chatCache?: Map<string, Cached> };
const chatCache = g.chatCache ?? new Map<string, Cached>(); //> declare
if (process.env.NODE_ENV !== "production") g.chatCache = chatCache; //> alias

export async function POST(req: Request) {
  const { sessionId, text } = await req.json();
  const cached = chatCache.get(sessionId); //> read
  if (!cached || cached.expiresAt < Date.now()) { //> check, context-read
    chatCache.set(sessionId, { history: [], expiresAt: Date.now() + 3e6 }); //> create
  }
  chatCache.get(sessionId)?.history.push({ role: "user", text }); //> append
  const history = chatCache.get(sessionId)?.history.slice(-10).map((m) => m.text); //> last-n
  return Response.json({ history });
}

// === a reducer over an object, deleted by rest
const sessions: Record<string, { msgs: Msg[] }> = {}; //> declare

export const size = (): number => Object.keys(sessions).length; //> iterate
export const exists = (sid: string): boolean => sessions[sid] !== undefined; //> check
export const all = (sid: string): Msg[] => [...(sessions[sid]?.msgs ?? [])]; //> read
export const put = (sid: string, m: Msg): void => {
  (sessions[sid] ??= { msgs: [] }).msgs.push(m); //> create, append
};
export const wipe = (sid: string): void => {
  const s = sessions[sid]; //> read
  if (s) s.msgs.length = 0; //> check, clear
};

// === feature flags by session, a memo, and a bus
const flags = new Map<string, { beta: boolean }>();
const memo: Record<string, Promise<string>> = {};
const listeners = new Map<string, ((message: { role: string; content: string }) => void)[]>();

export function on(sessionId: string, fn: (message: { role: string; content: string }) => void) {
  flags.set(sessionId, { beta: true });
  memo[sessionId] ??= fetch(`/s/${sessionId}`).then((r) => r.text());
  listeners.set(sessionId, [...(listeners.get(sessionId) ?? []), fn]);
  for (const listener of listeners.get(sessionId)!) listener({ role: "user", content: "x" });
}
