import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NewMessage } from "../domain/message.ts";
import { type Append, type AppendResult, insertMessageBatch, insertMessages } from "../postgres/append.ts";
import type { Queryable } from "../postgres/pool.ts";

/** Appends messages to one conversation: whole or not at all. */
export type Appender = (at: ConversationRef, messages: readonly NewMessage[]) => Promise<AppendResult>;

/**
 * Batches in flight at once. One leaves PostgreSQL idle while Node builds the next; more make smaller batches.
 * Measured in bench/results.md.
 */
const BATCHES_IN_FLIGHT = 2;
/** Content in one batch: a large message is not made to wait for others, nor they for it. */
const BATCH_CHARS_MAX = 262_144;

interface Waiting extends Append {
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets appends that are asked for at the same time travel in one statement and share one commit. An append that
 * finds nobody else goes at once, alone: waiting is never added, only used.
 *
 * @param batching false where a statement may not span users (Citus): each append then goes alone
 */
export function createAppender(
  db: Queryable,
  { batching, batchesInFlight = BATCHES_IN_FLIGHT }: { batching: boolean; batchesInFlight?: number },
): Appender {
  if (!batching) return (at, messages) => insertMessages(db, at, messages);

  const queue: Waiting[] = [];
  let inFlight = 0;

  const send = async (batch: readonly Waiting[]): Promise<void> => {
    const alone = async ({ at, messages, resolve, reject }: Waiting): Promise<void> =>
      insertMessages(db, at, messages).then(resolve, reject);
    const [only] = batch;
    if (only && batch.length === 1) return alone(only);
    try {
      const results = await insertMessageBatch(db, batch);
      // An id of somebody in the batch was there already: each goes alone, and that one finds out.
      if (results === "duplicate_id") await Promise.all(batch.map(alone));
      else {
        await Promise.all(
          batch.map(async (waiting, index) => {
            const result = results[index];
            if (result) waiting.resolve(result);
            else await alone(waiting);
          }),
        );
      }
    } catch (error) {
      // Unavailable: it may or may not have been committed, so nobody is tried again here. Those who wait behind
      // would find the same, one timeout after the other.
      if (error instanceof BackscrollError) for (const { reject } of [...batch, ...queue.splice(0)]) reject(error);
      // One of them is refused by the database: it must not take the others with it.
      else await Promise.all(batch.map(alone));
    }
  };

  const pump = (): void => {
    while (inFlight < batchesInFlight && queue.length > 0) {
      const batch = queue.splice(0, batchLength(queue));
      inFlight += 1;
      void send(batch).finally(() => {
        inFlight -= 1;
        pump();
      });
    }
  };

  return (at, messages) =>
    new Promise((resolve, reject) => {
      queue.push({ at, messages, resolve, reject });
      // At the end of this tick: what else is asked for in it comes along.
      if (queue.length === 1) setImmediate(pump);
    });
}

function batchLength(queue: readonly Waiting[]): number {
  let chars = 0;
  let messages = 0;
  for (const [index, append] of queue.entries()) {
    for (const { content } of append.messages) chars += content.length;
    messages += append.messages.length;
    if (index > 0 && (chars > BATCH_CHARS_MAX || messages > LIMITS.messagesPerSaveMax)) return index;
  }
  return queue.length;
}
