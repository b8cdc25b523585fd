import type { ConversationRef } from "../domain/conversation.ts";
import { toMessage } from "../domain/message.ts";
import { lackingFrom } from "../domain/session-alignment.ts";
import { fromMessage } from "../domain/session-message.ts";
import { listMessagesToExport } from "../postgres/messages.ts";
import type { Queryable } from "../postgres/pool.ts";
import { type DumpedMessages, messageKey } from "./dumped-messages.ts";
import { FingerprintList } from "./fingerprints.ts";
import { type ImportRecord, MessagesHash, NO_RECORD } from "./import-record.ts";

/** From which message of a dump's session on Backscroll lacks them. */
export interface Alignment {
  /** so many of those that are taken come before it */
  readonly from: number;
  /** there are no others */
  readonly isAll: boolean;
  /**
   * why those others may be here all the same, or were: both have messages, and none in common; or the conversation's
   * last ones were deleted, and nothing tells what they said
   */
  readonly doubt: "nothing in common" | "deleted" | null;
}

interface Place {
  readonly lastSeq: number;
  readonly record: ImportRecord;
}

const BYTES_AT_ONCE = 1_048_576;

/**
 * Compares what a conversation has with a dump's list, as `lackingFrom` does. What an import has brought over already is
 * not compared, so that it may be edited and deleted here. A list that goes on where the conversation ends, or the other
 * way round, takes no memory; any other some 30 bytes a message.
 *
 * @returns null when they have diverged
 */
export async function alignedFrom(
  db: Queryable,
  at: ConversationRef,
  { lastSeq, record }: Place,
  dumped: DumpedMessages,
): Promise<Alignment | null> {
  const isKnown = record.seq <= lastSeq && (await beginsAsImported(dumped, record));
  const { messages: first, seq: afterSeq } = isKnown ? record : NO_RECORD;
  const stored = new StoredMessages(db, at, { afterSeq, lastSeq });
  const keys = stored.keys();
  let from = 0;
  for await (const messages of dumped.pieces()) {
    for (const { given } of messages) {
      if (from >= first) {
        const next = await keys.next();
        if (next.done === true) return { from, isAll: false, doubt: stored.lastIsGone ? "deleted" : null };
        if (next.value !== messageKey(given)) {
          return compareAll(new StoredMessages(db, at, { afterSeq, lastSeq }), dumped, first);
        }
      }
      from += 1;
    }
  }
  return { from, isAll: true, doubt: null };
}

async function beginsAsImported(dumped: DumpedMessages, record: ImportRecord): Promise<boolean> {
  if (record.messages === 0) return false;
  const hash = new MessagesHash();
  for await (const messages of dumped.pieces()) {
    for (const { given } of messages) {
      hash.add(messageKey(given));
      if (hash.messages === record.messages) return hash.value === record.hash;
    }
  }
  return false;
}

async function compareAll(stored: StoredMessages, dumped: DumpedMessages, first: number): Promise<Alignment | null> {
  const [theirs, ours] = [new FingerprintList(), new FingerprintList()];
  let position = 0;
  for await (const messages of dumped.pieces()) {
    for (const { given } of messages) {
      if (position >= first) theirs.push(messageKey(given));
      position += 1;
    }
  }
  for await (const key of stored.keys()) ours.push(key);
  const from = lackingFrom(theirs.items, ours.items);
  if (from === null) return null;
  const isAll = from === theirs.items.length;
  // Neither is empty, or they would not have differed.
  const doubt = from === 0 ? "nothing in common" : stored.lastIsGone ? "deleted" : null;
  return { from: first + from, isAll, doubt: isAll ? null : doubt };
}

/** Messages of a conversation as a dictionary would have them, oldest first. */
class StoredMessages {
  readonly #db: Queryable;
  readonly #at: ConversationRef;
  readonly #lastSeq: number;
  #seq: number;

  constructor(db: Queryable, at: ConversationRef, { afterSeq, lastSeq }: { afterSeq: number; lastSeq: number }) {
    this.#db = db;
    this.#at = at;
    this.#seq = afterSeq;
    this.#lastSeq = lastSeq;
  }

  /** Once all were read: whether the last one, or all of them, have been deleted. */
  get lastIsGone(): boolean {
    return this.#seq < this.#lastSeq;
  }

  async *keys(): AsyncGenerator<bigint, void> {
    while (this.#seq < this.#lastSeq) {
      const range = { afterSeq: this.#seq, upToSeq: this.#lastSeq, bytesMax: BYTES_AT_ONCE };
      const messages = await listMessagesToExport(this.#db, this.#at, range);
      if (messages.length === 0) return;
      for (const { seq, json } of messages) {
        this.#seq = seq;
        yield messageKey(fromMessage(toMessage(json)));
      }
    }
  }
}
