// A second set, written after the first was mended, and run once before anything else was.

// === Koa with a plain object and template keys
const history: Record<string, { role: string; content: string }[]> = {}; //> declare

router.post("/chat", async (ctx) => {
  const key = `${ctx.state.user.id}:${ctx.request.body.sessionId}`;
  if (history[key] == null) history[key] = []; //> check, create
  history[key].push({ role: "user", content: ctx.request.body.text }); //> append
  const answer = await llm.chat(history[key]); //> read
  history[key].push({ role: "assistant", content: answer }); //> append
  ctx.body = { answer };
});

// === a socket.io server
const chatRooms = new Map<string, { history: ChatLine[]; participants: Set<string> }>(); //> declare

io.on("connection", (socket) => {
  socket.on("join", (roomId: string) => {
    const room = chatRooms.get(roomId) ?? { history: [], participants: new Set() }; //> read
    room.participants.add(socket.id); //> context-write
    chatRooms.set(roomId, room); //> write-back
    socket.emit("history", room.history.slice(-50)); //> last-n
  });
  socket.on("say", (roomId: string, text: string) => {
    chatRooms.get(roomId)?.history.push({ role: "user", content: text }); //> append
  });
});

// === a class with get/set accessors and generics
export class MemoryStore<T extends { role: string; content: string }> {
  protected data = new Map<string, T[]>(); //> declare

  messages(threadId: string): readonly T[] {
    return this.data.get(threadId) ?? []; //> read
  }

  push(threadId: string, ...items: T[]): void {
    this.data.set(threadId, [...this.messages(threadId), ...items]); //> append
  }

  drop(threadId: string): boolean {
    return this.data.delete(threadId); //> delete
  }
}

// === async storage of request ids is none
const pending = new Map<string, { resolve: (m: Message) => void; reject: (e: Error) => void }>();

export function waitFor(sessionId: string): Promise<Message> {
  return new Promise((resolve, reject) => pending.set(sessionId, { resolve, reject }));
}

export function settle(sessionId: string, message: Message) {
  pending.get(sessionId)?.resolve(message);
  pending.delete(sessionId);
}

// === WhatsApp webhook, number as key
const userSessions: { [phone: string]: { step: string; messages: OpenAIMessage[] } } = {}; //> declare

export async function webhook(from: string, body: string) {
  let session = userSessions[from]; //> read
  if (!session) { //> check
    session = userSessions[from] = { step: "start", messages: [] }; //> create
  }
  session.messages.push({ role: "user", content: body }); //> append
  if (body === "stop") return void delete userSessions[from]; //> delete
  session.step = "talking"; //> context-write
  return complete(session.messages.slice(-8)); //> last-n
}
