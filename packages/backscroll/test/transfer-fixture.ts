import { expect } from "vitest";
import type { Answer, Services } from "./services.ts";

export const ADA = "ada@example.com";
export const BOB = "bob@example.com";
export const JSON_TYPE = { "content-type": "application/json" };

export interface Item {
  readonly id: string;
  readonly seq: number;
  readonly content: string;
  readonly created_at: string;
}

export async function imported(services: Services, user: string, body: unknown): Promise<Answer["json"]> {
  const { status, json, text } = await services.call(user, "POST", "/api/import", body);
  expect(status, text.slice(0, 300)).toBe(200);
  return json;
}

export async function history(services: Services, user: string, id = "c"): Promise<Item[]> {
  return (await services.call(user, "GET", `/api/conversations/${id}/messages?page=1&page_size=200`)).json.messages;
}

export function document(messages: readonly object[], conversation: object = {}): object {
  const head = { conversation_id: "c", title: "t", created_at: "2026-01-01T00:00:00.000Z", ...conversation };
  return { backscroll_export: 1, conversations: [{ conversation: head, messages }] };
}

export function inChunks(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, (at += size)));
    },
  });
}

export const item = (n: number, more: object = {}): object => ({
  id: `m${n}`,
  role: "user",
  content: `text ${n}`,
  created_at: `2026-01-02T00:00:${String(n % 60).padStart(2, "0")}.000Z`,
  ...more,
});
