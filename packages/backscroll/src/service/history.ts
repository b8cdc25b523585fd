import type { LoadSnapshot, RecentMessages } from "../cache/history-cache.ts";
import type { ReadSource } from "../cache/metrics.ts";
import type { ConversationRef } from "../domain/conversation.ts";
import { decodeMessageCursor, encodeMessageCursor } from "../domain/cursor.ts";
import { BackscrollError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { toStoredId } from "../domain/ids.ts";
import { type MessageBytes, type MessageField, type MessageJson, seqOfMessage } from "../domain/message.ts";
import {
  countMessages,
  findMessages,
  findSeqOfNth,
  findSeqAtTime,
  listNewestMessages,
  listOldestMessages,
  type SeqMessage,
  WHOLE,
} from "../postgres/messages.ts";
import { checkSlice } from "./check.ts";
import type { Deps } from "./deps.ts";
import { type ConversationName, conversationNotFound, toRef } from "./messages.ts";

/** What narrows every way of reading a conversation. */
export interface HistoryFilter {
  /** only messages created at or after it */
  readonly from?: Date | undefined;
  /** only messages created before it */
  readonly to?: Date | undefined;
  /** only these fields of each message */
  readonly fields?: readonly MessageField[] | undefined;
}

export interface MessagesSlice {
  readonly messages: readonly MessageJson[] | readonly MessageBytes[];
  /** whether there are more in the same direction, from `nextCursor` on */
  readonly hasMore: boolean;
  readonly nextCursor: string | null;
  /** where they came from */
  readonly source: ReadSource;
}

/** A slice in the middle: forward from `nextCursor`, backward from `previousCursor`. */
export interface MessagesAround extends MessagesSlice {
  readonly hasPrevious: boolean;
  readonly previousCursor: string | null;
}

export interface Pagination {
  readonly total: number;
  readonly page: number;
  readonly pageSize: number;
  readonly totalPages: number;
  readonly hasNext: boolean;
  readonly hasPrev: boolean;
}

/**
 * The newest messages, newest first.
 *
 * @param before a cursor: only what is older than it
 * @param limit 1 to 200
 * @param consistency `strong`: from PostgreSQL, whatever is cached
 * @throws {BackscrollError} conversation_not_found, invalid_cursor, database_unavailable
 */
export async function getRecentMessages(
  deps: Deps,
  at: ConversationName,
  {
    limit = LIMITS.windowDefault,
    before,
    consistency,
    ...filter
  }: HistoryFilter & {
    limit?: number;
    before?: string | undefined;
    consistency?: "strong" | undefined;
  } = {},
): Promise<MessagesSlice> {
  checkSlice({ limit });
  const narrowed = before ?? consistency ?? filter.from ?? filter.to ?? filter.fields;
  if (narrowed === undefined) {
    const recent = await readRecent(deps, toRef(at), limit);
    const last = recent.messages.at(-1);
    return { ...recent, nextCursor: recent.hasMore && last ? encodeMessageCursor(seqOfMessage(last)) : null };
  }
  const cursorSeq = before === undefined ? null : decodeMessageCursor(before);
  return deps.cache.readAside(toRef(at), async () => {
    const range = await seqRange(deps, at, filter);
    const window = await listNewestMessages(deps.db, toRef(at), {
      afterSeq: range.afterSeq,
      beforeSeq: lower(cursorSeq, range.beforeSeq),
      limit: limit + 1,
      fields: filter.fields ?? null,
    });
    if (!window) throw conversationNotFound();
    return slice(window.messages, limit);
  });
}

/** The newest messages of a conversation, from the cache if it has them. @throws {BackscrollError} as above */
export async function readRecent(deps: Deps, ref: ConversationRef, limit: number): Promise<RecentMessages> {
  const load: LoadSnapshot = async (length) => {
    const window = await listNewestMessages(deps.db, ref, { ...WHOLE, limit: length });
    if (!window) return null;
    const messages = window.messages.map(({ json }) => json);
    return { version: window.version, messages, whole: messages.length < length, idleMs: window.idleMs };
  };
  const recent = await deps.cache.readRecent(ref, limit, load);
  if (!recent) throw conversationNotFound();
  return recent;
}

/** The messages that follow a cursor, oldest first. Otherwise as `getRecentMessages`. */
export async function getMessagesAfter(
  deps: Deps,
  at: ConversationName,
  { limit = LIMITS.windowDefault, after, ...filter }: HistoryFilter & { limit?: number; after: string },
): Promise<MessagesSlice> {
  checkSlice({ limit });
  const cursorSeq = decodeMessageCursor(after);
  return deps.cache.readAside(toRef(at), async () => {
    const range = await seqRange(deps, at, filter);
    const window = await listOldestMessages(deps.db, toRef(at), {
      afterSeq: Math.max(cursorSeq, range.afterSeq),
      beforeSeq: range.beforeSeq,
      limit: limit + 1,
      fields: filter.fields ?? null,
    });
    if (!window) throw conversationNotFound();
    return slice(window.messages, limit);
  });
}

/**
 * A message with what lies around it, oldest first: half of the limit before it, the rest from it on.
 *
 * @throws {BackscrollError} message_not_found, and as `getRecentMessages`
 */
export async function getMessagesAround(
  deps: Deps,
  at: ConversationName,
  { limit = LIMITS.windowDefault, around, ...filter }: HistoryFilter & { limit?: number; around: string },
): Promise<MessagesAround> {
  checkSlice({ limit });
  const ref = toRef(at);
  return deps.cache.readAside(ref, async () => {
    const found = await findMessages(deps.db, ref, [toStoredId(at.userId, around).id]);
    if (!found) throw conversationNotFound();
    const [middle] = found.messages;
    if (!middle) throw new BackscrollError("message_not_found", "no such message in this conversation");
    const range = await seqRange(deps, at, filter);
    const fields = filter.fields ?? null;
    const beforeLimit = Math.floor(limit / 2);
    const [older, newer] = await Promise.all([
      listNewestMessages(deps.db, ref, {
        afterSeq: range.afterSeq,
        beforeSeq: lower(middle.seq, range.beforeSeq),
        limit: beforeLimit + 1,
        fields,
      }),
      listOldestMessages(deps.db, ref, {
        afterSeq: Math.max(middle.seq - 1, range.afterSeq),
        beforeSeq: range.beforeSeq,
        limit: limit - beforeLimit + 1,
        fields,
      }),
    ]);
    if (!older || !newer) throw conversationNotFound();
    const olderMessages = older.messages.slice(0, beforeLimit).toReversed();
    const forward = slice(newer.messages, limit - beforeLimit);
    const firstSeq = olderMessages[0]?.seq ?? lower(middle.seq, range.beforeSeq) ?? middle.seq;
    return {
      messages: [...olderMessages.map(({ json }) => json), ...shownOf(newer.messages, limit - beforeLimit)],
      hasMore: forward.hasMore,
      nextCursor: forward.nextCursor,
      hasPrevious: older.messages.length > beforeLimit,
      previousCursor: older.messages.length > beforeLimit ? encodeMessageCursor(firstSeq) : null,
      source: "bypass",
    };
  });
}

/**
 * One page of the whole conversation, oldest first. Page N is a range of seq, so the last costs what the first does.
 *
 * @param page 1 or more; one beyond the end is empty
 * @param pageSize 1 to 200
 * @throws {BackscrollError} conversation_not_found, database_unavailable
 */
export async function getFullHistory(
  deps: Deps,
  at: ConversationName,
  { page = 1, pageSize = LIMITS.pageSizeDefault, ...filter }: HistoryFilter & { page?: number; pageSize?: number } = {},
): Promise<{ messages: readonly MessageJson[]; pagination: Pagination }> {
  checkSlice({ page, pageSize });
  const ref = toRef(at);
  return deps.cache.readAside(ref, async () => {
    const skip = (page - 1) * pageSize;
    const fields = filter.fields ?? null;
    const range = await seqRange(deps, at, filter);
    const direct = await listOldestMessages(deps.db, ref, {
      afterSeq: range.afterSeq + skip,
      beforeSeq: range.beforeSeq,
      limit: pageSize,
      fields,
    });
    if (!direct) throw conversationNotFound();
    const deleted = direct.lastSeq - direct.messageCount;
    const lastSeq = Math.min((range.beforeSeq ?? Number.MAX_SAFE_INTEGER) - 1, direct.lastSeq);
    if (deleted === 0) return toPage(direct.messages, Math.max(0, lastSeq - range.afterSeq), page, pageSize);

    const whole = range.afterSeq === 0 && range.beforeSeq === null;
    const [skippedBefore, total] = whole
      ? [0, direct.messageCount]
      : await Promise.all([
          countMessages(deps.db, ref, { firstSeq: 1, lastSeq: range.afterSeq }),
          countMessages(deps.db, ref, { firstSeq: range.afterSeq + 1, lastSeq }),
        ]);
    const firstSeq = await findSeqOfNth(deps.db, ref, { n: skippedBefore + skip + 1, deleted });
    const window = await listOldestMessages(deps.db, ref, {
      afterSeq: firstSeq - 1,
      beforeSeq: range.beforeSeq,
      limit: pageSize,
      fields,
    });
    if (!window) throw conversationNotFound();
    return toPage(window.messages, total, page, pageSize);
  });
}

function toPage(
  messages: readonly SeqMessage[],
  total: number,
  page: number,
  pageSize: number,
): { messages: readonly MessageJson[]; pagination: Pagination } {
  return { messages: messages.map(({ json }) => json), pagination: pagination(total, page, pageSize) };
}

export function pagination(total: number, page: number, pageSize: number): Pagination {
  const totalPages = Math.ceil(total / pageSize);
  return { total, page, pageSize, totalPages, hasNext: page < totalPages, hasPrev: page > 1 };
}

/** @param messages one more than `limit` when there are more */
function slice(messages: readonly SeqMessage[], limit: number): MessagesSlice {
  const last = messages[limit - 1];
  const hasMore = messages.length > limit;
  return {
    messages: shownOf(messages, limit),
    hasMore,
    nextCursor: hasMore && last ? encodeMessageCursor(last.seq) : null,
    source: "bypass",
  };
}

function shownOf(messages: readonly SeqMessage[], limit: number): readonly MessageJson[] {
  return messages.slice(0, limit).map(({ json }) => json);
}

async function seqRange(
  deps: Deps,
  at: ConversationName,
  { from, to }: HistoryFilter,
): Promise<{ afterSeq: number; beforeSeq: number | null }> {
  if (!from && !to) return WHOLE;
  const ref = toRef(at);
  const [start, end] = await Promise.all([
    from && findSeqAtTime(deps.db, ref, from),
    to && findSeqAtTime(deps.db, ref, to),
  ]);
  return { afterSeq: start?.lastBefore ?? 0, beforeSeq: end?.firstFrom ?? null };
}

function lower(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
