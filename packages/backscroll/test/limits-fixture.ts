import { onTestFinished } from "vitest";
import type { BackscrollOptions } from "../src/create.ts";
import { type Answer, createServices, newSchema, type Services } from "./services.ts";

export interface Asking {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** of the connection */
  readonly from?: string;
  readonly body?: unknown;
}

/** Sends a request as if it had come over a socket; its body's stream stays unread. */
export async function open(services: Services, path: string, asking: Asking = {}): Promise<Response> {
  const { method = asking.body === undefined ? "GET" : "POST", headers = {}, from, body } = asking;
  const request = new Request(`http://localhost${path}`, {
    method,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return services.fetch(request, from === undefined ? undefined : { incoming: { socket: { remoteAddress: from } } });
}

/** The same to its end. */
export async function ask(services: Services, path: string, asking: Asking = {}): Promise<Answer> {
  const response = await open(services, path, asking);
  const text = await response.text();
  const isJson = text !== "" && /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** What `RateLimit` and `RateLimit-Policy` say. */
export interface RateLimitSaid {
  readonly policy: string;
  readonly q: number;
  readonly w: number;
  readonly r: number;
  readonly t: number;
}

/** @returns null when an answer does not say it */
export function rateLimitOf({ headers }: Pick<Answer, "headers">): RateLimitSaid | null {
  const [, policy = "", q, w] = /^"([a-z_]+)";q=(\d+);w=(\d+)$/.exec(headers.get("ratelimit-policy") ?? "") ?? [];
  const [, same, r, t] = /^"([a-z_]+)";r=(\d+);t=(\d+)$/.exec(headers.get("ratelimit") ?? "") ?? [];
  if (policy === "" || same !== policy) return null;
  return { policy, q: Number(q), w: Number(w), r: Number(r), t: Number(t) };
}

/** A Backscroll with limits, whose users are named by a header. */
export async function startLimited(options: BackscrollOptions = {}): Promise<Services> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ rateLimits: "on", ...options, databaseUrl });
  onTestFinished(() => services.close());
  return services;
}

export function as(user: string, more: Record<string, string> = {}): { headers: Record<string, string> } {
  return { headers: { "x-test-user": user, ...more } };
}

/** @returns the statuses of so many, one after the other */
export async function statuses(
  services: Services,
  path: string,
  asking: Asking,
  times: number,
): Promise<readonly number[]> {
  const answers: number[] = [];
  for (let i = 0; i < times; i += 1) answers.push((await ask(services, path, asking)).status);
  return answers;
}
