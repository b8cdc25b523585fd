// The messages are put into a copy, and that is put back: what is new in it is an append, wherever it was added.

// === the next list, from the list before
type Msg = { role: "user" | "assistant"; content: string };
const chats = new Map<string, Msg[]>(); //> declare

export async function POST(chatId: string, text: string) {
  const prev = chats.get(chatId) ?? []; //> read
  const next: Msg[] = [...prev, { role: "user", content: text }]; //> append
  chats.set(chatId, next); //> write-back
  return next;
}

// === concat, with a limit behind it
const chats: Record<string, Msg[]> = {}; //> declare

export function add(chatId: string, message: Msg, others: Msg[]) {
  const longer = chats[chatId].concat(message, others); //> append, read
  chats[chatId] = longer.slice(-40); //> trim
  chats[chatId] = [...(chats[chatId] ?? []), message].slice(-40); //> append
}

// === a copy by slice that is pushed to
const histories = new Map<string, Msg[]>(); //> declare

export function add(sessionId: string, content: string) {
  const copy = histories.get(sessionId)!.slice(); //> read
  copy.push({ role: "user", content }); //> append
  histories.set(sessionId, copy); //> write-back
}

// === either longer or new
const histories = new Map<string, Msg[]>(); //> declare

export function add(sessionId: string, message: Msg) {
  const history = histories.get(sessionId); //> read
  histories.set(sessionId, history ? [...history, message] : [message]); //> append, check
  histories.set(sessionId, history ? [...history, message] : [SYSTEM, message]); //> append, check, unclassified
}

// === a session with a longer list
type Session = { messages: Msg[]; context: Record<string, unknown>; title?: string };
const sessions = new Map<string, Session>(); //> declare

export function add(sessionId: string, message: Msg, title: string) {
  const session = sessions.get(sessionId)!; //> read
  const messages = [...session.messages, message]; //> append, read
  sessions.set(sessionId, { ...session, messages }); //> write-back
  sessions.set(sessionId, { ...session, title }); //> context-write
  sessions.set(sessionId, Object.assign({}, session, { messages: session.messages.concat([message]) })); //> append
  sessions.set(sessionId, { messages: [...session.messages, message], context: session.context }); //> append, context-read
}

// === the field is set to the next list
const sessions: Record<string, Session> = {}; //> declare

export function add(sessionId: string, message: Msg) {
  const next = [...sessions[sessionId].messages, message]; //> append, read
  sessions[sessionId].messages = next; //> write-back
  sessions[sessionId].messages = [...next.slice(-9), message]; //> append
}

// === through a function that gives the list
const store = new Map<string, Msg[]>(); //> declare
const getHistory = (sessionId: string) => store.get(sessionId) ?? []; //> read

export function add(sessionId: string, message: Msg) {
  store.set(sessionId, [...getHistory(sessionId), message]); //> append
}

// === what is only sent is not saved
const chats = new Map<string, Msg[]>(); //> declare

export async function ask(chatId: string, content: string) {
  const prev = chats.get(chatId) ?? []; //> read
  const messages = [...prev, { role: "user", content }];
  messages.push({ role: "system", content: "Be short." });
  return llm(messages);
}

// === what cannot be followed is told
const chats = new Map<string, Msg[]>(); //> declare

export function change(chatId: string, id: string, message: Msg) {
  const prev = chats.get(chatId) ?? []; //> read
  chats.set(chatId, withMessage(prev, message)); //> unclassified
  chats.set(chatId, prev.filter((m) => m.id !== id)); //> unclassified, read
  chats.set(chatId, [message, ...prev]); //> unclassified
  chats.set(chatId, prev.slice(0, -1)); //> unclassified, read
  chats.set(chatId, produce(prev, (draft) => void draft.push(message))); //> unclassified
}

export const save = (chatId: string, messages: Msg[]) => chats.set(chatId, messages); //> unclassified

// === parts of a session, set at once
const sessions = new Map<string, Session>(); //> declare

export function change(sessionId: string, message: Msg, title: string, data: Partial<Session>) {
  const session = sessions.get(sessionId)!; //> read
  const messages = [...session.messages, message]; //> append, read
  Object.assign(session, { messages }); //> write-back
  Object.assign(session, { title }); //> context-write
  Object.assign(session, data); //> unclassified
}

// === what goes from the end is no trim
const chats = new Map<string, Msg[]>(); //> declare

export function undo(chatId: string) {
  const history = chats.get(chatId)!; //> read
  history.length -= 2; //> unclassified
  history.length = 20; //> unclassified
  history.length = 0; //> clear
  history.splice(-2); //> unclassified
  const tooMany = history.length - 20; //> read
  history.splice(0, tooMany); //> trim
  history.splice(0); //> clear
}
