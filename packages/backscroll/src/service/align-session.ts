import type { ConversationRef } from "../domain/conversation.ts";
import { toMessage } from "../domain/message.ts";
import { lackingFrom } from "../domain/session-alignment.ts";
import { fromMessage } from "../domain/session-message.ts";
import { listMessagesToExport } from "../postgres/messages.ts";
import type { Queryable } from "../postgres/pool.ts";
import { type DumpedMessages, messageKey } from "./dumped-messages.ts";
import { FingerprintList } from "./fingerprints.ts";

/** From which message of a dump's session on Backscroll lacks them. */
export interface Alignment {
  /** so many of those that are taken come before it */
  readonly from: number;
  /** there are no others */
  readonly isAll: boolean;
}

const BYTES_AT_ONCE = 1_048_576;

/**
 * Compares what a conversation has with a dump's list, as `lackingFrom` does. A list that goes on where the conversation
 * ends, or the other way round, takes no memory; any other some 30 bytes a message.
 *
 * @returns null when they have diverged
 */
export async function alignedFrom(
  db: Queryable,
  at: ConversationRef,
  { lastSeq }: { readonly lastSeq: number },
  dumped: DumpedMessages,
): Promise<Alignment | null> {
  const stored = storedKeys(db, at, lastSeq);
  let from = 0;
  for await (const messages of dumped.pieces()) {
    for (const { given } of messages) {
      const next = await stored.next();
      if (next.done === true) return { from, isAll: false };
      if (next.value !== messageKey(given)) return compareAll(storedKeys(db, at, lastSeq), dumped);
      from += 1;
    }
  }
  return { from, isAll: true };
}

async function compareAll(stored: AsyncIterable<bigint>, dumped: DumpedMessages): Promise<Alignment | null> {
  const [theirs, ours] = [new FingerprintList(), new FingerprintList()];
  for await (const messages of dumped.pieces()) for (const { given } of messages) theirs.push(messageKey(given));
  for await (const key of stored) ours.push(key);
  const from = lackingFrom(theirs.items, ours.items);
  return from === null ? null : { from, isAll: from === theirs.items.length };
}

/** The messages of a conversation as a dictionary would have them, from the first on. */
async function* storedKeys(db: Queryable, at: ConversationRef, upToSeq: number): AsyncGenerator<bigint, void> {
  for (let afterSeq = 0; afterSeq < upToSeq;) {
    const messages = await listMessagesToExport(db, at, { afterSeq, upToSeq, bytesMax: BYTES_AT_ONCE });
    for (const { json } of messages) yield messageKey(fromMessage(toMessage(json)));
    afterSeq = messages.at(-1)?.seq ?? upToSeq;
  }
}
