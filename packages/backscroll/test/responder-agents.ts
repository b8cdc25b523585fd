import type { ServerResponse } from "node:http";
import { createHttpResponder } from "../src/responder/http.ts";
import type { Responder } from "../src/responder/responder.ts";
import { serve } from "./responder-fixture.ts";

/** Headers of a streamed reply. */
export const SSE = { "content-type": "text/event-stream; charset=utf-8" };

/** An agent that does one thing with every request. */
export async function agent(answer: (response: ServerResponse) => unknown): Promise<Responder> {
  const origin = await serve((request, response) => {
    request.resume();
    answer(response);
  });
  return createHttpResponder({ url: `${origin}/hooks/s3cret` });
}

export function stream(...lines: string[]): Promise<Responder> {
  return agent((response) => response.writeHead(200, SSE).end(lines.map((line) => `data: ${line}\n\n`).join("")));
}

export const text = (words: string): string => JSON.stringify({ type: "text", text: words });
