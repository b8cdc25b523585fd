import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { text as readAll } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { ResponderError } from "../src/responder/responder.ts";
import type { ContextMessage, Responder, ResponderDelta, RespondRequest } from "../src/responder/responder.ts";

/** @returns the origin of a real server on a free port, closed with the test */
/** @param listener may be async: a failure of it fails the test as an unhandled rejection */
export async function serve(listener: (...args: Parameters<RequestListener>) => unknown): Promise<string> {
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}

/** @returns the origin of a port where nobody listens */
export async function refusedOrigin(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the server had no port");
  return `http://127.0.0.1:${address.port}`;
}

export async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  return JSON.parse(await readAll(request)) as Record<string, unknown>;
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** Resolves once the bytes have left, so that what follows arrives apart from them. */
export function send(response: ServerResponse, bytes: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

export function ask(text: string, more: Partial<RespondRequest> = {}): RespondRequest {
  return { messages: [user(text)], tools: [], signal: new AbortController().signal, ...more };
}

export function user(content: string): ContextMessage {
  return { role: "user", content };
}

export function assistant(content: string): ContextMessage {
  return { role: "assistant", content };
}

export async function collect(responder: Responder, request: RespondRequest): Promise<ResponderDelta[]> {
  const deltas: ResponderDelta[] = [];
  for await (const delta of responder.respond(request)) deltas.push(delta);
  return deltas;
}

export function textOf(deltas: readonly ResponderDelta[]): string {
  return deltas.map((delta) => (delta.type === "text" ? delta.text : "")).join("");
}

/** @returns what the responder threw, and the text it had said by then */
export async function failureOf(
  responder: Responder,
  request: RespondRequest,
): Promise<{ error: ResponderError; text: string }> {
  let text = "";
  try {
    for await (const delta of responder.respond(request)) {
      if (delta.type === "text") text += delta.text;
    }
  } catch (error) {
    if (error instanceof ResponderError) return { error, text };
    throw error;
  }
  throw new Error("the responder did not fail");
}
