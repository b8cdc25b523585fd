import { BackscrollApiError, type ErrorCode, mintId, type ReplyEvent, type ReplyStream } from "backscroll-client";
import { client } from "../server/client.ts";
import { announce } from "../ui/announcer.tsx";
import { ReplyPainter } from "./reply-painter.ts";
import type { ThreadStore } from "./thread-store.ts";
import { type Question, setTurnState } from "./turn-states.ts";

/** One conversation's reply is read once in a page, whoever asked for it. */
interface Reading {
  readonly stop: AbortController;
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

/** Sends what the user says, and shows the reply as it is written. Nothing happens while another one is. */
export function sendMessage(thread: ThreadStore, text: string, id: string = mintId()): void {
  const { conversationId } = thread;
  if (readings.has(conversationId)) return;
  setTurnState(conversationId, { phase: "sending", failure: null });
  thread.addSending(id, text);
  const question = { id, text };
  void read(thread, question, (signal) =>
    client.streamMessage({ conversation_id: conversationId, message: text, message_id: id }, { signal }),
  );
}

/** Asks again for a reply that came to nothing. Its question is stored: it is not shown a second time. */
export function askAgain(thread: ThreadStore, question: Question): void {
  const { conversationId } = thread;
  if (readings.has(conversationId)) return;
  setTurnState(conversationId, { phase: "replying", failure: null });
  void read(thread, question, (signal) =>
    client.streamMessage(
      { conversation_id: conversationId, message: question.text, message_id: question.id },
      { signal },
    ),
  );
}

/** Has the last user message answered anew. The old reply stays away unless the new one comes to nothing. */
export function regenerate(thread: ThreadStore, replyId: string): void {
  const { conversationId } = thread;
  if (readings.has(conversationId)) return;
  setTurnState(conversationId, { phase: "replying", failure: null });
  const putBack = thread.remove(replyId);
  void read(thread, null, (signal) => client.regenerateReply(conversationId, { signal }), putBack);
}

/** Shows a reply that is being written already, from its beginning: after a reload, or when another page asked. */
export async function followRunning(thread: ThreadStore): Promise<void> {
  const { conversationId } = thread;
  if (readings.has(conversationId)) return;
  await read(thread, null, async (signal) => {
    const stream = await client.followReply(conversationId, { signal });
    // It may have ended after the history was read.
    if (stream === null) thread.setRunningReply(null);
    return stream;
  });
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

type Ask = (signal: AbortSignal) => ReplyStream | Promise<ReplyStream | null>;

/** @param onNothing when no reply takes the place of the one before */
async function read(
  thread: ThreadStore,
  question: Question | null,
  ask: Ask,
  onNothing: () => void = () => undefined,
): Promise<void> {
  const { conversationId } = thread;
  const reading: Reading = { stop: new AbortController(), hasBegun: false };
  readings.set(conversationId, reading);
  const painter = new ReplyPainter(thread);
  let isStored = false;
  try {
    const stream = await ask(reading.stop.signal);
    for await (const event of stream ?? []) {
      reading.hasBegun = true;
      show(thread, painter, event);
      isStored = event.type === "end";
    }
    // One that ended between reading the history and asking for it was missed by both.
    if (stream !== null || endsWithQuestion(thread)) await readNewest(thread);
    if (!isStored) onNothing();
  } catch (error) {
    painter.forget();
    onNothing();
    if (!reading.stop.signal.aborted) await fail(thread, question, error);
  } finally {
    readings.delete(conversationId);
    setTurnState(conversationId, { phase: "idle" });
    thread.setRunningReply(null);
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

function endsWithQuestion(thread: ThreadStore): boolean {
  const last = thread.message(thread.ids.at(-1) ?? "");
  return last?.role === "user" && last.state === "stored";
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
