// What was missed in silence once.

// === discord.js
import { Collection, Message } from "discord.js";

export const history = new Collection<string, ChatCompletionMessageParam[]>(); //> declare

export async function onMessage(message: Message) {
  const convo = history.ensure(message.channelId, () => []); //> create
  convo.push({ role: "user", content: message.content }); //> append
  while (convo.length > 10) convo.shift(); //> read, trim
  return [...convo];
}

// === a collection of members
const members = new Collection<string, GuildMember>();

export const join = (member: GuildMember) => members.set(member.id, member);

// === nested by user and thread
export function createMemory() {
  const byUser: Record<string, Record<string, Msg[]>> = {}; //> declare
  return {
    push(userId: string, threadId: string, m: Msg) { ((byUser[userId] ??= {})[threadId] ??= []).push(m); }, //> create, unclassified
    read: (userId: string, threadId: string) => byUser[userId]?.[threadId] ?? [], //> unclassified
  };
}

// === under a key of the state
const state = { sessions: {} as Record<string, { messages: Msg[] }>, count: 0 }; //> declare

export function remember(sessionId: string, m: Msg) {
  state.count++;
  state.sessions[sessionId] = state.sessions[sessionId] || { messages: [] }; //> create
  state.sessions[sessionId].messages.push(m); //> append
  const { sessions: known, count } = state;
  return known[sessionId].messages.slice(-count); //> last-n
}

// === a store of histories, deeper
export const store = { memory: { histories: new Map<string, Msg[]>() } }; //> declare

export const rec = (sid: string, m: Msg) => { store.memory.histories.get(sid)?.push(m); }; //> append
export const dump = () => JSON.stringify(store); //> unclassified

// === handed to a function of the tree
const app = { chats: new Map<string, Msg[]>() }; //> declare

function add(to: typeof app, chatId: string, content: string) {
  to.chats.get(chatId)!.push({ role: "user", content }); //> append
}

export const hello = (chatId: string) => add(app, chatId, "Hello");

// === a state without conversations
const state = { sessions: {} as Record<string, WebSocket>, timers: {} }; //> left-out

export function connect(sessionId: string, ws: WebSocket) {
  state.sessions[sessionId] = ws;
  state.timers[sessionId] = setTimeout(() => ws.close(), 1000);
}
