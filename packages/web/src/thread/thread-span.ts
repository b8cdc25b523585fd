import type { Message } from "backscroll-client";

/**
 * A part of a conversation without a gap: every message there is from `low` to `high`, oldest first. The ends are
 * numbers of messages that are there, were there, or (1 to 0, nothing) never were.
 */
export interface Span {
  readonly low: number;
  readonly high: number;
  readonly messages: readonly Message[];
}

export const NOTHING: Span = { low: 1, high: 0, messages: [] };

/**
 * Puts what was read beside what is known. Numbers are given in the order in which messages are stored, so whatever is
 * known inside of what was read, and is not in it, was deleted.
 *
 * @returns null when there may be messages between the two
 */
export function joinSpans(known: Span, read: Span): Span | null {
  if (read.low > known.high + 1 || read.high < known.low - 1) return null;
  const versions = new Map(known.messages.map((message) => [message.id, message]));
  const messages = [
    ...known.messages.filter(({ seq }) => seq < read.low),
    ...read.messages.map((message) => newerOf(versions.get(message.id), message)),
    ...known.messages.filter(({ seq }) => seq > read.high),
  ];
  return { low: Math.min(known.low, read.low), high: Math.max(known.high, read.high), messages };
}

/** Answers may come in another order than they were given: an edit does not go back. */
export function newerOf(known: Message | undefined, read: Message): Message {
  return known !== undefined && known.version >= read.version ? known : read;
}

export function withoutMessage(span: Span, id: string): Span {
  return { ...span, messages: span.messages.filter((message) => message.id !== id) };
}

/** @returns the span with this message in it, which was taken out of it; as it is when it does not reach there */
export function withMessage(span: Span, message: Message): Span {
  if (message.seq < span.low || message.seq > span.high) return span;
  const { messages } = withoutMessage(span, message.id);
  const at = messages.findIndex(({ seq }) => seq > message.seq);
  return { ...span, messages: messages.toSpliced(at === -1 ? messages.length : at, 0, message) };
}

/** @returns the oldest `count` of its messages */
export function oldestOf(span: Span, count: number): Span {
  const messages = span.messages.slice(0, count);
  return { ...span, messages, high: messages.at(-1)?.seq ?? span.high };
}

/** @returns the newest `count` of its messages */
export function newestOf(span: Span, count: number): Span {
  const messages = span.messages.slice(-count);
  return { ...span, messages, low: messages[0]?.seq ?? span.low };
}
