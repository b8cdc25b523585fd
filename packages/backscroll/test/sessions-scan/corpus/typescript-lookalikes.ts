// Nothing here is a dictionary of conversations.

// === express-session
app.post("/chat", (req, res) => {
  req.session.messages ??= [];
  req.session.messages.push({ role: "user", content: req.body.text });
  res.json(req.session.messages.slice(-20));
});

// === the browser's storage
const key = "messages";
sessionStorage.setItem(key, JSON.stringify([{ role: "user", content: "x" }]));
localStorage[key] = sessionStorage.getItem(key) ?? "[]";

// === MCP transports by session
const transports: Record<string, StreamableHTTPServerTransport> = {};
const sessions = new Map<string, StreamableHTTPServerTransport>();

app.post("/mcp", async (req, res) => {
  const sessionId = req.headers["mcp-session-id"] as string;
  if (sessionId && transports[sessionId]) return transports[sessionId].handleRequest(req, res, req.body);
  const transport = new StreamableHTTPServerTransport({ onsessioninitialized: (id) => { sessions.set(id, transport); transports[id] = transport; } });
});

// === sockets of users
const sockets = new Map<string, WebSocket>();
const sessionSockets = new Map<string, Set<WebSocket>>(); //> left-out

export function join(sessionId: string, ws: WebSocket) {
  sockets.set(sessionId, ws);
  if (!sessionSockets.has(sessionId)) sessionSockets.set(sessionId, new Set());
  sessionSockets.get(sessionId)!.add(ws);
}

// === a cache of answers
const answers = new Map<string, string>();

export async function cached(prompt: string) {
  if (answers.has(prompt)) return answers.get(prompt);
  const content = await ask({ role: "user", content: prompt });
  answers.set(prompt, content);
  return content;
}

// === a counter by user
const counts: Record<string, number> = {};
const sessionCounts = new Map<string, number>(); //> left-out

export function count(userId: string, sessionId: string) {
  counts[userId] = (counts[userId] ?? 0) + 1;
  sessionCounts.set(sessionId, (sessionCounts.get(sessionId) ?? 0) + 1);
}

// === translations
const messages: Record<string, Record<string, string>> = {}; //> left-out
messages["en"] = { hello: "Hello" };

export const t = (lang: string, key: string) => messages[lang]?.[key] ?? key;

// === a local that dies with its call
export function groupBySession(rows: { sessionId: string; role: string; content: string }[]) {
  const groups: Record<string, { role: string; content: string }[]> = {};
  for (const row of rows) (groups[row.sessionId] ??= []).push({ role: row.role, content: row.content });
  return groups;
}

// === timers by session
const sessionTimers = new Map<string, NodeJS.Timeout>(); //> left-out

export function arm(sessionId: string) {
  clearTimeout(sessionTimers.get(sessionId));
  sessionTimers.set(sessionId, setTimeout(() => sessionTimers.delete(sessionId), 1000));
}

// === comments and strings
// const SESSIONS = {}; SESSIONS[sessionId].messages.push({ role: "user", content: "x" });
const help = `const SESSIONS = {}; SESSIONS[sessionId] = { messages: [] };`;
export const s = (sessionId: string) => "sessions.get(sessionId).messages";

// === what a page knows of a running reply
interface TurnState { phase: "idle" | "replying"; failure: { question: { id: string; text: string } } | null }
const states = new Map<string, TurnState>();

export function setTurnState(conversationId: string, role: string, change: Partial<TurnState>): void {
  const next = { ...(states.get(conversationId) ?? { phase: "idle", failure: null }), ...change };
  if (next.phase === "idle") states.delete(conversationId);
  else states.set(conversationId, next as TurnState);
}
