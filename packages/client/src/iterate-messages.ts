import { BackscrollApiError } from "./errors.ts";
import type { MessageMethods } from "./messages.ts";
import type { RequestOptions } from "./operation.ts";
import type { Message } from "./types.ts";

export interface IterateMessagesQuery {
  /** which comes first; default "oldest" */
  readonly order?: "oldest" | "newest" | undefined;
  /** what one request reads: 1 to 200, default 100 */
  readonly page_size?: number | undefined;
  /** only messages created at or after it; a string is RFC 3339 */
  readonly from?: Date | string | undefined;
  /** only messages created before it */
  readonly to?: Date | string | undefined;
}

type Reads = Pick<MessageMethods, "getRecentMessages" | "getMessagesAfter" | "getMessagesAround" | "getFullHistory">;
type Messages = AsyncGenerator<Message, void, undefined>;

const PAGE_SIZE = 100;

/** Walks a conversation by cursors, a page in memory at a time. */
export function iterateMessages(
  reads: Reads,
  id: string,
  { query, options }: { readonly query: IterateMessagesQuery; readonly options: RequestOptions },
): Messages {
  const { order = "oldest", page_size: limit = PAGE_SIZE, ...range } = query;
  return order === "newest"
    ? newestFirst(reads, id, { limit, range, options })
    : oldestFirst(reads, id, { limit, range, options });
}

interface Walk {
  readonly limit: number;
  readonly range: Pick<IterateMessagesQuery, "from" | "to">;
  readonly options: RequestOptions;
}

async function* newestFirst(reads: Reads, id: string, { limit, range, options }: Walk): Messages {
  for (let before: string | undefined; ;) {
    const slice = await reads.getRecentMessages(id, { ...range, limit, before }, options);
    yield* slice.messages;
    if (slice.next_cursor === null) return;
    before = slice.next_cursor;
  }
}

async function* oldestFirst(reads: Reads, id: string, { limit, range, options }: Walk): Messages {
  let lastSeq = 0;
  let after: string | null = null;
  // A conversation's beginning has no cursor: its first page is read as a page, and where that ends is asked for.
  while (after === null) {
    const page = await reads.getFullHistory(id, { ...range, page_size: limit }, options);
    for (const message of page.messages) {
      if (message.seq <= lastSeq) continue;
      lastSeq = message.seq;
      yield message;
    }
    const last = page.messages.at(-1);
    if (last === undefined || !page.pagination.has_next) return;
    const end = await findOrNull(reads.getMessagesAround(id, last.id, { ...range, limit: 1 }, options));
    // Its last message was deleted meanwhile: the first page is another one now.
    if (end === null) continue;
    if (end.next_cursor === null) return;
    after = end.next_cursor;
  }
  while (after !== null) {
    const slice: Awaited<ReturnType<Reads["getMessagesAfter"]>> = await reads.getMessagesAfter(
      id,
      after,
      { ...range, limit },
      options,
    );
    yield* slice.messages;
    after = slice.next_cursor;
  }
}

async function findOrNull<Found>(reading: Promise<Found>): Promise<Found | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof BackscrollApiError && error.code === "message_not_found") return null;
    throw error;
  }
}
