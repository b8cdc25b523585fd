import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NewMessage } from "../domain/message.ts";
import { type Append, type AppendResult, insertMessageBatch, insertMessages } from "../postgres/append.ts";
import type { Queryable } from "../postgres/pool.ts";
import { NO_TRACER, type Place, type Tracer } from "../tracing/tracer.ts";

/** Appends messages to one conversation: whole or not at all. */
export type Appender = (at: ConversationRef, messages: readonly NewMessage[]) => Promise<AppendResult>;

/** Batches in flight at once. More make smaller batches and gain nothing: bench/results.md. */
const BATCHES_IN_FLIGHT = 1;
/** Content in one batch: a large message is not made to wait for others, nor they for it. */
const BATCH_CHARS_MAX = 262_144;

/** An append that takes longer (somebody else holds its conversation's row) makes room for the next batch. */
const SLOT_MS = 50;

interface Waiting extends Append {
  /** its conversation */
  readonly key: string;
  readonly chars: number;
  /** where it was asked for */
  readonly place: Place;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Sending {
  readonly db: Queryable;
  readonly tracer: Tracer;
}

/**
 * Lets appends that are asked for at the same time travel in one statement and share one commit. An append that
 * finds nobody else goes at once, alone: waiting is never added, only used.
 *
 * @param batching false where a statement may not span users (Citus): each append then goes alone
 */
export function createAppender(
  db: Queryable,
  {
    batching,
    batchesInFlight = BATCHES_IN_FLIGHT,
    tracer = NO_TRACER,
  }: { batching: boolean; batchesInFlight?: number; tracer?: Tracer },
): Appender {
  if (!batching) return (at, messages) => insertMessages(db, at, messages);

  /** By conversation, in the order in which each began to wait. */
  const queue = new Map<string, Waiting[]>();
  /** Conversations with an append on its way: the next ones gather here, instead of queueing for the row's lock. */
  const busy = new Set<string>();
  const slots = { free: batchesInFlight };
  let scheduled = false;

  const pump = (): void => {
    while (slots.free > 0) {
      const batch = takeBatch(queue, busy);
      if (batch.length === 0) return;
      void send(batch);
    }
  };

  const send = async (batch: readonly Waiting[]): Promise<void> => {
    for (const { key } of batch) busy.add(key);
    const freeSlot = takeSlot();
    let alone: readonly Waiting[] = [];
    try {
      alone = await sendTogether({ db, tracer }, batch);
    } catch (error) {
      // Unavailable: it may or may not have been committed, so nobody is tried again here. Those who wait behind
      // would find the same, one timeout after the other.
      for (const waiting of [batch, ...queue.values()]) for (const { reject } of waiting) reject(error);
      queue.clear();
    }
    freeSlot();
    const left = Map.groupBy(alone, ({ key }) => key);
    for (const { key } of batch) if (!left.has(key)) busy.delete(key);
    for (const [key, waiting] of left) {
      void sendInTurn({ db, tracer }, waiting).finally(() => {
        busy.delete(key);
        pump();
      });
    }
    pump();
  };

  const takeSlot = (): (() => void) => {
    slots.free -= 1;
    let taken = true;
    const free = (): void => {
      clearTimeout(timer);
      if (taken) slots.free += 1;
      taken = false;
    };
    const timer = setTimeout(() => {
      free();
      pump();
    }, SLOT_MS);
    return free;
  };

  return (at, messages) =>
    new Promise((resolve, reject) => {
      const key = `${at.userId}:${at.id}`;
      const chars = messages.reduce((sum, { content }) => sum + content.length, 0);
      const waiting: Waiting = { at, messages, key, chars, place: tracer.place(), resolve, reject };
      const others = queue.get(key);
      if (others) others.push(waiting);
      else queue.set(key, [waiting]);
      if (scheduled) return;
      scheduled = true;
      // At the end of this tick: what else is asked for in it comes along.
      setImmediate(() => {
        scheduled = false;
        pump();
      });
    });
}

/** Takes from the queue what may travel together: nothing for a busy conversation, and no more than a statement bears. */
function takeBatch(queue: Map<string, Waiting[]>, busy: ReadonlySet<string>): readonly Waiting[] {
  const batch: Waiting[] = [];
  let chars = 0;
  let messages = 0;
  for (const [key, waiting] of queue) {
    if (busy.has(key)) continue;
    let taken = 0;
    for (const append of waiting) {
      chars += append.chars;
      messages += append.messages.length;
      const full = chars > BATCH_CHARS_MAX || messages > LIMITS.messagesPerSaveMax;
      if (full && batch.length > 0) break;
      batch.push(append);
      taken += 1;
    }
    if (taken === waiting.length) queue.delete(key);
    else {
      waiting.splice(0, taken);
      break;
    }
  }
  return batch;
}

/**
 * @returns those for whom nothing was stored, and who must go alone
 * @throws {BackscrollError} when the database does not answer
 */
async function sendTogether({ db, tracer }: Sending, batch: readonly Waiting[]): Promise<readonly Waiting[]> {
  if (batch.length === 1) {
    await sendInTurn({ db, tracer }, batch);
    return [];
  }
  try {
    const places = batch.map(({ place }) => place);
    const results = await tracer.together("append together", places, () => insertMessageBatch(db, batch));
    // An id of somebody in the batch was there already: each goes alone, and that one finds out.
    if (results === "duplicate_id") return batch;
    return batch.filter((waiting, index) => {
      const result = results[index];
      if (result) waiting.resolve(result);
      return !result;
    });
  } catch (error) {
    if (error instanceof BackscrollError) throw error;
    // One of them is refused by the database: it must not take the others with it.
    return batch;
  }
}

/** Appends to one conversation, one after the other. */
async function sendInTurn({ db, tracer }: Sending, waiting: readonly Waiting[]): Promise<void> {
  for (const { at, messages, place, resolve, reject } of waiting) {
    await tracer.at(place, () => insertMessages(db, at, messages)).then(resolve, reject);
  }
}
