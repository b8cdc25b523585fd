import { afterEach, beforeEach, expect, expectTypeOf, test, vi } from "vitest";
import type { UIMessageChunk as ChunkOf7 } from "ai";
import type { UIMessageChunk as ChunkOf6 } from "ai-v6";
import { BackscrollError } from "../src/domain/errors.ts";
import type { MessageJson, MessageStatus } from "../src/domain/message.ts";
import type { ReplyChunk } from "../src/domain/reply.ts";
import { type UiMessageChunk, uiMessageStream } from "../src/http/ui-message-stream.ts";
import { ReplyLog } from "../src/live/reply-log.ts";
import { eventData } from "./ui-stream.ts";

const call = { type: "tool-call", toolCallId: "t", toolName: "search", input: { q: [1, null] } } as const;
const result = { type: "tool-result", toolCallId: "t", toolName: "search", output: ["Rome"] } as const;
const START = {
  type: "start",
  messageId: "reply",
  messageMetadata: { conversation_id: "c", user_message_id: "question" },
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("every chunk is one that the clients of ai 6 and 7 know", () => {
  expectTypeOf<UiMessageChunk>().toExtend<ChunkOf7>();
  expectTypeOf<UiMessageChunk>().toExtend<ChunkOf6>();
});

test("a reply is its beginning, its text in a block, and its end, with what is stored of it", async () => {
  const log = logOf(text("Hello"), text(" Ada"));
  log.end({ type: "saved", message: stored("complete") });
  expect(await chunksOf(log)).toEqual([
    START,
    { type: "text-start", id: "text-1" },
    { type: "text-delta", id: "text-1", delta: "Hello" },
    { type: "text-delta", id: "text-1", delta: " Ada" },
    { type: "text-end", id: "text-1" },
    {
      type: "finish",
      messageMetadata: { status: "complete", model: "m", tokens_used: 3, latency_ms: 4, seq: 2, created_at: "then" },
    },
  ]);
});

test("a tool stands between two blocks of text, each with an id of its own", async () => {
  const log = logOf(text("Let me look. "), call, result, text("Rome."));
  log.end({ type: "saved", message: stored("complete") });
  expect((await chunksOf(log)).slice(1, -1)).toEqual([
    { type: "text-start", id: "text-1" },
    { type: "text-delta", id: "text-1", delta: "Let me look. " },
    { type: "text-end", id: "text-1" },
    {
      type: "tool-input-available",
      toolCallId: "t",
      toolName: "search",
      input: { q: [1, null] },
      dynamic: true,
      providerExecuted: true,
    },
    { type: "tool-output-available", toolCallId: "t", output: ["Rome"] },
    { type: "text-start", id: "text-2" },
    { type: "text-delta", id: "text-2", delta: "Rome." },
    { type: "text-end", id: "text-2" },
  ]);
});

test("a result without its call brings one: a client would break off", async () => {
  const log = logOf(result);
  log.end({ type: "saved", message: stored("complete") });
  expect((await chunksOf(log)).slice(1, -1)).toEqual([
    expect.objectContaining({ type: "tool-input-available", toolCallId: "t", input: null }),
    { type: "tool-output-available", toolCallId: "t", output: ["Rome"] },
  ]);
});

test("a reply that says nothing has no text", async () => {
  const log = logOf();
  log.end({ type: "saved", message: stored("complete") });
  expect((await chunksOf(log)).map(({ type }) => type)).toEqual(["start", "finish"]);
});

test("a stopped reply says so where clients keep it, and aborts", async () => {
  const log = logOf(text("Hel"));
  log.end({ type: "saved", message: stored("stopped") });
  expect((await chunksOf(log)).slice(-3)).toEqual([
    { type: "text-end", id: "text-1" },
    { type: "message-metadata", messageMetadata: expect.objectContaining({ status: "stopped", seq: 2 }) },
    { type: "abort" },
  ]);
});

test.for([
  ["responder_rate_limited", { retryAfterSeconds: 7 }, { status: "failed", retry_after: 7 }],
  ["responder_failed", {}, { status: "failed" }],
  ["reply_interrupted", { retryAfterSeconds: 1 }, { status: "interrupted", retry_after: 1 }],
] as const)("%s ends the text, names its code, and is an error to the client", async ([code, details, metadata]) => {
  const log = logOf(text("Hel"));
  log.end({ type: "failed", error: new BackscrollError(code, "what to do", details) });
  expect((await chunksOf(log)).slice(-3)).toEqual([
    { type: "text-end", id: "text-1" },
    { type: "message-metadata", messageMetadata: { ...metadata, error_code: code } },
    { type: "error", errorText: "what to do" },
  ]);
});

test("20 readers, whenever they come, are sent the same bytes", async () => {
  const log = new ReplyLog("reply");
  const readers: Promise<string>[] = [];
  for (let n = 0; n < 20; n += 1) {
    readers.push(new Response(streamOf(log)).text());
    log.add(text(`${n} `));
    await vi.advanceTimersByTimeAsync(50);
  }
  log.end({ type: "saved", message: stored("complete") });
  const streams = await Promise.all(readers);
  expect(new Set(streams).size).toBe(1);
  expect(streams[0]?.match(/text-delta/g)).toHaveLength(20);
});

test("a reader who is far behind gets the text that waits in one piece, with the tools in their places", async () => {
  const log = new ReplyLog("reply");
  for (const chunk of [...Array.from({ length: 30 }, (_, n) => text(`${n} `)), call, text("a"), text("b")]) {
    log.add(chunk);
    await vi.advanceTimersByTimeAsync(50);
  }
  log.end({ type: "saved", message: stored("complete") });
  const chunks = await chunksOf(log);
  expect(chunks.filter(({ type }) => type === "text-delta").map(({ delta }) => delta)).toEqual([
    Array.from({ length: 30 }, (_, n) => `${n} `).join(""),
    "ab",
  ]);
  expect(chunks[4]).toMatchObject({ type: "tool-input-available" });
});

test("a long text comes in pieces that a client can hold, none of which ends within a character", async () => {
  const long = `x${"👩".repeat(20_000)}`;
  const log = logOf(text(long));
  log.end({ type: "saved", message: stored("complete") });
  const deltas = (await chunksOf(log)).filter(({ type }) => type === "text-delta").map(({ delta }) => delta ?? "");
  expect(deltas.join("")).toBe(long);
  expect(deltas.length).toBe(3);
  for (const delta of deltas) {
    expect(delta.length).toBeLessThanOrEqual(16_384);
    expect(delta.isWellFormed()).toBe(true);
  }
});

test("a silent reply sends a comment every 15 s, and leaves no timer behind when it ends", async () => {
  const log = new ReplyLog("reply");
  const whole = new Response(streamOf(log)).text();
  await vi.advanceTimersByTimeAsync(46_000);
  log.add(text("At last"));
  log.end({ type: "saved", message: stored("complete") });
  expect((await whole).split("\n\n").slice(1, 5)).toEqual([
    ...Array<string>(3).fill(": keep-alive"),
    'data: {"type":"text-start","id":"text-1"}',
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a reader that does not read is sent no comments: they would pile up", async () => {
  const log = new ReplyLog("reply");
  const reader = streamOf(log).getReader();
  await reader.read();
  expect(vi.getTimerCount()).toBe(0);
});

test("a reader that leaves, while it waits or not, leaves no timer behind, and the reply goes on", async () => {
  const log = new ReplyLog("reply");
  const waiting = streamOf(log).getReader();
  await waiting.read();
  const last = waiting.read();
  await vi.advanceTimersByTimeAsync(1);
  expect(vi.getTimerCount()).toBe(1);
  const idle = streamOf(log).getReader();
  await idle.read();
  await Promise.all([waiting.cancel(), idle.cancel()]);
  expect(await last).toEqual({ done: true, value: undefined });
  expect(vi.getTimerCount()).toBe(0);

  log.add(text("Hello"));
  log.end({ type: "saved", message: stored("complete") });
  expect((await chunksOf(log)).map(({ type }) => type)).toContain("finish");
});

function text(said: string): ReplyChunk {
  return { type: "text", text: said };
}

/** A reply each of whose chunks was shown apart. */
function logOf(...chunks: readonly ReplyChunk[]): ReplyLog {
  const log = new ReplyLog("reply");
  for (const chunk of chunks) {
    log.add(chunk);
    vi.advanceTimersByTime(50);
  }
  return log;
}

function stored(status: MessageStatus): MessageJson {
  const message = { id: "reply", status, content: "", seq: 2, created_at: "then" };
  return JSON.stringify({ ...message, model: "m", tokens_used: 3, latency_ms: 4, version: 1 }) as MessageJson;
}

function streamOf(reply: ReplyLog): ReadableStream<Uint8Array> {
  return uiMessageStream({ conversationId: "c", questionId: "question", reply });
}

/** @returns what a stream says up to `[DONE]`, which is its last word */
async function chunksOf(log: ReplyLog): Promise<readonly Record<string, string>[]> {
  const data: string[] = [];
  for await (const each of eventData(streamOf(log))) data.push(each);
  expect(data.pop()).toBe("[DONE]");
  return data.map((each) => JSON.parse(each) as Record<string, string>);
}
