import type { BackscrollClient, Message } from "backscroll-client";
import type { Span } from "./thread-span.ts";

/** What a thread asks of the service. */
export type ThreadReads = Pick<
  BackscrollClient,
  "getRecentMessages" | "getMessagesAfter" | "getMessagesAround" | "getFullHistory"
>;

/** Whom a read asks, about which conversation, and until when it matters. */
export interface Asking {
  readonly reads: ThreadReads;
  readonly conversationId: string;
  readonly signal: AbortSignal;
}

/** Where to read on: a cursor, and the number of the message that it stands at. */
export interface Place {
  readonly seq: number;
  readonly cursor: string;
}

/** Messages beyond one end of those before. */
export interface Page {
  readonly span: Span;
  /** null: that was the end */
  readonly next: Place | null;
}

/** Messages to go on from in both directions; null: nothing is there. */
export interface Opening {
  readonly span: Span;
  readonly olderFrom: Place | null;
  readonly newerFrom: Place | null;
}

export async function readNewest({ reads, conversationId, signal }: Asking, limit: number): Promise<Opening> {
  const slice = await reads.getRecentMessages(conversationId, { limit }, { signal });
  const messages = slice.messages.toReversed();
  const olderFrom = placeAt(messages[0], slice.next_cursor);
  const span = { low: olderFrom?.seq ?? 1, high: messages.at(-1)?.seq ?? 0, messages };
  return { span, olderFrom, newerFrom: null };
}

export async function readOldest(asking: Asking, limit: number): Promise<Opening> {
  const { reads, conversationId, signal } = asking;
  const { messages, pagination } = await reads.getFullHistory(conversationId, { page_size: limit }, { signal });
  const last = messages.at(-1);
  // A page has no cursor: where it ends is asked for.
  const end = last && pagination.has_next ? await readAround(asking, { messageId: last.id, limit: 1 }) : null;
  return { span: { low: 1, high: last?.seq ?? 0, messages }, olderFrom: null, newerFrom: end?.newerFrom ?? null };
}

export async function readAround(
  { reads, conversationId, signal }: Asking,
  { messageId, limit }: { readonly messageId: string; readonly limit: number },
): Promise<Opening> {
  const slice = await reads.getMessagesAround(conversationId, messageId, { limit }, { signal });
  const { messages } = slice;
  const olderFrom = placeAt(messages[0], slice.previous_cursor);
  const newerFrom = placeAt(messages.at(-1), slice.next_cursor);
  return { span: { low: olderFrom?.seq ?? 1, high: messages.at(-1)?.seq ?? 0, messages }, olderFrom, newerFrom };
}

export async function readOlder({ reads, conversationId, signal }: Asking, from: Place, limit: number): Promise<Page> {
  const slice = await reads.getRecentMessages(conversationId, { limit, before: from.cursor }, { signal });
  const messages = slice.messages.toReversed();
  const next = placeAt(messages[0], slice.next_cursor);
  return { span: { low: next?.seq ?? 1, high: from.seq - 1, messages }, next };
}

export async function readNewer({ reads, conversationId, signal }: Asking, from: Place, limit: number): Promise<Page> {
  const slice = await reads.getMessagesAfter(conversationId, from.cursor, { limit }, { signal });
  const { messages } = slice;
  const span = { low: from.seq + 1, high: messages.at(-1)?.seq ?? from.seq, messages };
  return { span, next: placeAt(messages.at(-1), slice.next_cursor) };
}

function placeAt(message: Message | undefined, cursor: string | null): Place | null {
  return message && cursor !== null ? { seq: message.seq, cursor } : null;
}
