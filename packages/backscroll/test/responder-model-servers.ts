import type { ServerResponse } from "node:http";
import { bodyOf, serve } from "./responder-fixture.ts";

/** A request as the model's server saw it. */
interface Seen {
  readonly path: string | undefined;
  readonly key: string | undefined;
  readonly body: Record<string, unknown>;
}

export interface ModelServer {
  readonly baseUrl: string;
  readonly seen: Seen[];
}

/** @param answers what each call in turn does; the last one repeats */
export async function modelServer(...answers: ((response: ServerResponse) => unknown)[]): Promise<ModelServer> {
  const seen: Seen[] = [];
  const origin = await serve(async (request, response) => {
    const key = request.headers["authorization"] ?? request.headers["x-api-key"]?.toString();
    const answer = answers[Math.min(seen.length, answers.length - 1)];
    seen.push({ path: request.url, key, body: await bodyOf(request) });
    await answer?.(response);
  });
  return { baseUrl: `${origin}/v1`, seen };
}

/** Chat Completions: one chunk of a streamed choice. */
export function chatChunk(delta: Record<string, unknown>, finishReason: string | null = null): string {
  return data({ ...CHUNK, choices: [{ index: 0, delta, finish_reason: finishReason }] });
}

/** Chat Completions: text in pieces, its usage in a chunk of its own, `[DONE]`. */
export function chatText(...pieces: string[]): (response: ServerResponse) => void {
  return chatStream(...pieces.map((content) => chatChunk({ content })), chatChunk({}, "stop"), chatUsage(20, 5));
}

export function chatToolCall(id: string, name: string, args: string): (response: ServerResponse) => void {
  const half = Math.ceil(args.length / 2);
  return chatStream(
    chatChunk({ role: "assistant", content: "Let me look." }),
    chatChunk({ tool_calls: [{ index: 0, id, type: "function", function: { name, arguments: args.slice(0, half) } }] }),
    chatChunk({ tool_calls: [{ index: 0, function: { arguments: args.slice(half) } }] }),
    chatChunk({}, "tool_calls"),
    chatUsage(10, 3),
  );
}

/** Anthropic's Messages: text in pieces. */
export function anthropicText(...pieces: string[]): (response: ServerResponse) => void {
  const end = [
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 5 } },
    { type: "message_stop" },
  ];
  return (response) => eventStream(response).end(anthropicHalf(...pieces) + end.map(anthropicEvent).join(""));
}

/** Anthropic's Messages: the same without its end. */
export function anthropicHalf(...pieces: string[]): string {
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-test-1",
    content: [],
    stop_reason: null,
    stop_sequence: null,
  };
  const events = [
    { type: "message_start", message: { ...message, usage: { input_tokens: 20, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    ...pieces.map((text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })),
  ];
  return events.map(anthropicEvent).join("");
}

export function anthropicEvent(event: { type: string; [key: string]: unknown }): string {
  return `event: ${event.type}\n${data(event)}`;
}

export function eventStream(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { "content-type": "text/event-stream" });
}

const CHUNK = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "test-model-1" };

function chatUsage(input: number, output: number): string {
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  return data({ ...CHUNK, choices: [], usage });
}

function chatStream(...chunks: string[]): (response: ServerResponse) => void {
  return (response) => eventStream(response).end(`${chunks.join("")}data: [DONE]\n\n`);
}

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
