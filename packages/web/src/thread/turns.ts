import {
  BackscrollApiError,
  BackscrollConnectionError,
  type ErrorCode,
  mintId,
  type NewTurn,
  type ReplyEvent,
  type ReplyStream,
} from "backscroll-client";
import { client } from "../server/client.ts";
import { announce } from "../ui/announcer.tsx";
import { openQuestion } from "./message-places.ts";
import { ReplyPainter } from "./reply-painter.ts";
import type { ThreadStore } from "./thread-store.ts";
import { type Question, setTurnState } from "./turn-states.ts";

/** One conversation's reply is read once in a page, whoever asked for it. */
interface Reading {
  readonly stop: AbortController;
  /** nobody asked here: it only looks whether a reply is being written */
  readonly isLooking: boolean;
  /** the service has it: it goes on without its readers */
  hasBegun: boolean;
}

const readings = new Map<string, Reading>();
/** The question is stored, and the same id asks again. */
const REPLY_FAILED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "responder_failed",
  "responder_rate_limited",
  "responder_timeout",
  "responder_refused",
  "reply_interrupted",
]);

/** Makes a conversation for its first message. @returns its id, once it is there @throws whatever the SDK does */
export async function beginConversation(): Promise<string> {
  const { conversation_id: id } = await client.createConversation({ id: mintId() });
  return id;
}

/**
 * Sends what the user says, and shows the reply as it is written.
 *
 * @returns false: another reply is being written, and nothing was sent
 */
export function sendMessage(thread: ThreadStore, text: string, id: string = mintId()): boolean {
  const { conversationId } = thread;
  if (!makeWay(conversationId)) return false;
  setTurnState(conversationId, { phase: "sending", failure: null });
  thread.addSending(id, text);
  const question = { id, text };
  void read(thread, question, (signal) => client.streamMessage(toTurn(thread, question), { signal, askAgain: false }));
  return true;
}

/** Asks again for a reply that came to nothing. Its question is stored: it is not shown a second time. */
export function askAgain(thread: ThreadStore, question: Question): void {
  const { conversationId } = thread;
  if (!makeWay(conversationId)) return;
  setTurnState(conversationId, { phase: "replying", failure: null });
  void read(thread, question, (signal) => client.streamMessage(toTurn(thread, question), { signal, askAgain: false }));
}

/** Has the last user message answered anew. The old reply stays away unless the new one comes to nothing. */
export function regenerate(thread: ThreadStore, replyId: string): void {
  const { conversationId } = thread;
  if (!makeWay(conversationId)) return;
  setTurnState(conversationId, { phase: "replying", failure: null });
  const putBack = thread.remove(replyId);
  void read(thread, null, (signal) => client.regenerateReply(conversationId, { signal }), { onNothing: putBack });
}

/** Shows a reply that is being written already, from its beginning: after a reload, or when another page asked. */
export async function followRunning(thread: ThreadStore): Promise<void> {
  const { conversationId } = thread;
  if (readings.has(conversationId)) return;
  const look = async (signal: AbortSignal): Promise<ReplyStream | null> => {
    const stream = await client.followReply(conversationId, { signal });
    // It may have ended after the history was read.
    if (stream === null && !signal.aborted) thread.setRunningReply(null);
    return stream;
  };
  await read(thread, null, look, { isLooking: true });
}

/** Keeps what was written. */
export async function stopReply({ conversationId }: ThreadStore): Promise<void> {
  await client.stopReply(conversationId);
}

/** Nobody looks at the conversation any more: its reply goes on, and is read again when somebody comes back. */
export function leaveReply({ conversationId }: ThreadStore): void {
  const reading = readings.get(conversationId);
  if (reading?.hasBegun === true) reading.stop.abort();
}

function toTurn({ conversationId }: ThreadStore, { id, text }: Question): NewTurn {
  return { conversation_id: conversationId, message: text, message_id: id };
}

/** @returns whether a reply can be asked for: one that is only looked for, and was not found yet, is let go */
function makeWay(conversationId: string): boolean {
  const reading = readings.get(conversationId);
  if (!reading) return true;
  if (!reading.isLooking || reading.hasBegun) return false;
  reading.stop.abort();
  return true;
}

type Ask = (signal: AbortSignal) => ReplyStream | Promise<ReplyStream | null>;

interface ReadOptions {
  readonly isLooking?: boolean;
  /** when no reply takes the place of the one before */
  readonly onNothing?: () => void;
}

async function read(
  thread: ThreadStore,
  question: Question | null,
  ask: Ask,
  { isLooking = false, onNothing }: ReadOptions = {},
): Promise<void> {
  const { conversationId } = thread;
  const reading: Reading = { stop: new AbortController(), isLooking, hasBegun: false };
  readings.set(conversationId, reading);
  const painter = new ReplyPainter(thread);
  let isStored = false;
  try {
    const stream = await ask(reading.stop.signal);
    for await (const event of stream ? wholeReply(thread, reading, stream) : []) {
      reading.hasBegun = true;
      show(thread, painter, event);
      isStored = event.type === "end";
    }
    // One that ended between reading the history and asking for it was missed by both.
    if (stream !== null || openQuestion(thread) !== null) await readNewest(thread);
    if (!isStored) onNothing?.();
  } catch (error) {
    if (!reading.stop.signal.aborted) await fail(thread, question, error);
    painter.forget();
    onNothing?.();
  } finally {
    // Unless another one has taken its place.
    if (readings.get(conversationId) === reading) {
      readings.delete(conversationId);
      setTurnState(conversationId, { phase: "idle" });
      thread.setRunningReply(null);
    }
  }
}

/** A reply that has begun goes on without its readers: it is waited for, however long the service is away. */
async function* wholeReply(
  { conversationId }: ThreadStore,
  { stop: { signal } }: Reading,
  stream: ReplyStream,
): AsyncGenerator<ReplyEvent, void, undefined> {
  for (let current: ReplyStream | null = stream, hasBegun = false; current !== null;) {
    try {
      for await (const event of current) {
        hasBegun = true;
        yield event;
      }
      return;
    } catch (error) {
      if (!hasBegun || !(error instanceof BackscrollConnectionError)) throw error;
      current = await client.followReply(conversationId, { signal, retries: Number.POSITIVE_INFINITY });
    }
  }
}

function show(thread: ThreadStore, painter: ReplyPainter, event: ReplyEvent): void {
  switch (event.type) {
    case "start":
    case "restart":
      if (event.type === "start") announce("Generating");
      painter.begin(event.message_id);
      thread.setRunningReply(event.message_id);
      setTurnState(thread.conversationId, { phase: "replying", failure: null });
      // Its question is stored by now.
      void readNewest(thread).catch(() => undefined);
      return;
    case "text":
      return painter.paint(event.snapshot);
    case "end":
      painter.end(event.reply.content);
      return announce(event.reply.status === "stopped" ? "Stopped" : "Response complete");
    case "tool-call":
    case "tool-result":
      return;
  }
}

/** What was just stored: the newest two are the question and its reply. */
async function readNewest(thread: ThreadStore): Promise<void> {
  const { messages } = await client.getRecentMessages(thread.conversationId, { limit: 2 });
  thread.upsert(messages);
}

async function fail(thread: ThreadStore, question: Question | null, error: unknown): Promise<void> {
  const code = error instanceof BackscrollApiError ? error.code : null;
  // The question is stored, and perhaps what was written of the reply.
  if (code !== null && REPLY_FAILED.has(code)) {
    await readNewest(thread).catch(() => undefined);
    if (question) setTurnState(thread.conversationId, { failure: { question, error } });
    return;
  }
  if (question) thread.markFailed(question.id, error);
  // Somebody else asked first: that reply is shown.
  if (code === "conversation_busy") setTimeout(() => void followRunning(thread));
}
