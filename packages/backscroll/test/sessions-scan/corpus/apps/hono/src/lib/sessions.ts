export interface ChatMessage {
  role: "user" | "assistant" | "system";
  content: string;
}

export type SessionData = { messages: ChatMessage[]; context: Record<string, unknown> };

export const sessions = new Map<string, SessionData>(); //> declare

export function ensure(id: string): SessionData {
  const found = sessions.get(id); //> read
  if (found) return found; //> check
  const fresh: SessionData = { messages: [], context: {} };
  sessions.set(id, fresh); //> create
  return fresh;
}
