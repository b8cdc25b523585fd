/** What an app keeps in its dictionary. */
export interface ChatMessage {
  role: string;
  content: string;
}

export interface ChatSession {
  messages: ChatMessage[];
  context: Record<string, unknown>;
  created_at?: Date;
}

export const user = (content: string): ChatMessage => ({ role: "user", content });
