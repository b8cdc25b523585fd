import { expect, onTestFinished } from "vitest";
import type { BackscrollOptions } from "../src/create.ts";
import { type Answer, createServices, newSchema, type Services } from "./services.ts";

export const ADA = "ada@example.com";
export const BOB = "bob@example.com";
export const CHAT = "/api/chat";

export async function start(options: BackscrollOptions = {}): Promise<Services> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ ...options, databaseUrl });
  onTestFinished(() => services.close());
  return services;
}

export interface Said {
  readonly user?: string;
  readonly path?: string;
  readonly session?: string;
  readonly headers?: Record<string, string>;
  /** beside the message */
  readonly body?: object;
}

export function say(
  services: Services,
  { user = ADA, path = CHAT, session, headers, body }: Said = {},
): Promise<Answer> {
  const sent = { message: "Hello", ...(session !== undefined && { session_id: session }), ...body };
  return services.call(user, "POST", path, sent, headers);
}

/** @returns the conversation in which the message was answered */
export async function saidIn(services: Services, said: Said = {}): Promise<string> {
  const { status, text, json } = await say(services, said);
  expect(status, text).toBe(200);
  return json.conversation_id;
}

export async function conversationsOf(services: Services, user = ADA): Promise<string[]> {
  const { json } = await services.call(user, "GET", "/api/conversations");
  return json.conversations.map(({ conversation_id }: { conversation_id: string }) => conversation_id);
}

export async function questionsIn(services: Services, conversation: string): Promise<number> {
  const { json } = await services.call(ADA, "GET", `/api/conversations/${conversation}/messages?limit=200`);
  return json.messages.filter(({ role }: { role: string }) => role === "user").length;
}

export async function sessionOf(services: Services, id: string, user = ADA): Promise<string> {
  return (await services.call(user, "GET", `/api/sessions/${id}`)).json.conversation_id;
}

/** Ways to say that a message is the one that was sent before. */
export const RETRIES: Record<string, Said> = {
  "message id": { path: "/api/conversations/messages", body: { message_id: "m" } },
  "Idempotency-Key": { headers: { "idempotency-key": "k" } },
};

export const COOKIE = /^backscroll_session=([^;]+); Max-Age=2592000; Path=\/api; HttpOnly; SameSite=Lax$/;

export function cookieOf(answer: Answer): Record<string, string> {
  const [cookie] = /^[^;]+/.exec(answer.headers.get("set-cookie") ?? "") ?? [];
  return { cookie: cookie ?? "" };
}
