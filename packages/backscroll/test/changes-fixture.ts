import { expect } from "vitest";
import type { Answer, Services } from "./services.ts";

export const ADA = "ada@example.com";
export const MESSAGES = "/api/conversations/c/messages";

export interface Stored {
  readonly id: string;
  readonly seq: number;
  readonly content: string;
  readonly version: number;
  readonly created_at: string;
  readonly edited_at: string | null;
}

export async function save(services: Services, body: unknown): Promise<Answer> {
  return services.call(ADA, "POST", MESSAGES, body);
}

/** A conversation `c` with the messages `m1` … `m<n>`. */
export async function begin(services: Services, n: number): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  if (n === 0) return;
  const messages = Array.from({ length: n }, (_, i) => ({ id: `m${i + 1}`, role: "user", content: `text ${i + 1}` }));
  expect((await save(services, { messages })).status).toBe(201);
}

export async function history(services: Services): Promise<Stored[]> {
  const { json } = await services.call(ADA, "GET", `${MESSAGES}?page=1&page_size=200`);
  expect(json.pagination.total).toBe(json.messages.length);
  return json.messages;
}

export async function conversationRow(
  services: Services,
): Promise<{ version: string; last_seq: string; message_count: string }> {
  const { rows } = await services.deps.db.pool.query("select version, last_seq, message_count from conversations");
  return rows[0];
}
