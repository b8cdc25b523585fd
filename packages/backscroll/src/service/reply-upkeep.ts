import { errorMessage } from "../domain/errors.ts";
import { chunksSince } from "../domain/reply.ts";
import { ReplyLog } from "../live/reply-log.ts";
import {
  type Checkpoint,
  checkpointReplies,
  listDeadGenerations,
  type RunningGeneration,
} from "../postgres/running-generations.ts";
import { closeReply } from "./answer.ts";
import type { Deps } from "./deps.ts";
import { addEntries, serverChannel } from "./remote-reply.ts";
import { partsOf } from "./reply-message.ts";
import type { RunningReply } from "./running-reply.ts";

/** So that a checkpoint is committed two seconds after the one before, whatever it takes. */
const CHECKPOINT_MS = 1_500;
/** What one checkpoint statement carries. */
const CHECKPOINT_MAX = { replies: 200, chars: 1_048_576 };
const DEAD_MAX = 100;

/**
 * Says every two seconds of the replies written here how far they are, hears whether they are still wanted, and closes
 * those of servers that died.
 *
 * @param appendBatching false where a statement may not span users (Citus)
 * @param isAlone no other process can be writing: every open generation is of one that died
 */
export async function startReplyUpkeep(
  deps: Deps,
  { appendBatching, isAlone }: { appendBatching: boolean; isAlone: boolean },
): Promise<{ stop(): Promise<void> }> {
  const checkpoint = oneAtATime(deps, "replies could not be checkpointed", createCheckpoint(deps, appendBatching));
  const limitMs = deps.settings.replyHeartbeatTimeoutMs;
  const reap = oneAtATime(deps, "replies of dead servers could not be closed", createReaper(deps, limitMs));
  if (isAlone) await closeDead(deps, 0).catch((error: unknown) => warn(deps, "replies of a run before", error));
  const timers = [
    setInterval(() => void checkpoint(), CHECKPOINT_MS).unref(),
    setInterval(() => void reap(), limitMs / 4).unref(),
  ];
  // What was missed is in PostgreSQL, like all that is signalled.
  const stopListening = deps.live.signals.listen(
    serverChannel(deps.serverId),
    () => void checkpoint(),
    () => void checkpoint(),
  );
  deps.stopping.addEventListener("abort", () => {
    for (const reply of deps.runningReplies.values()) reply.abandon.abort("shutting_down");
  });
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      stopListening();
      await Promise.all([checkpoint.settled(), reap.settled()]);
    },
  };
}

/** Runs work again and again, never twice at once; asked for while it runs, it runs once more. Never rejects. */
function oneAtATime(
  deps: Deps,
  what: string,
  work: () => Promise<void>,
): (() => Promise<void>) & { settled(): Promise<void> } {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const start = (): Promise<void> => {
    running = work()
      .catch((error: unknown) => warn(deps, what, error))
      .finally(() => (running = undefined));
    return running;
  };
  const run = (): Promise<void> => {
    if (!running) return start();
    next ??= running.then(() => {
      next = undefined;
      return start();
    });
    return next;
  };
  return Object.assign(run, { settled: async () => void (await Promise.all([running, next])) });
}

function warn(deps: Deps, what: string, error: unknown): void {
  if (!deps.stopping.aborted) deps.log.warn({ error: errorMessage(error) }, what);
}

function createCheckpoint(deps: Deps, appendBatching: boolean): () => Promise<void> {
  const savedTools = new WeakMap<RunningReply, number>();
  const savedChars = new WeakMap<RunningReply, number>();
  return async () => {
    for (const replies of inBatches([...deps.runningReplies.values()], appendBatching ? CHECKPOINT_MAX.replies : 1)) {
      const checkpoints = replies.map((reply): Checkpoint => {
        const { chars, tools } = reply.log.position;
        const isNew = chars !== savedChars.get(reply) || tools !== savedTools.get(reply);
        return { ...reply.generation, soFar: isNew ? reply.log.soFar : null };
      });
      const known = await checkpointReplies(deps.db, checkpoints);
      for (const [index, reply] of replies.entries()) {
        const state = known.get(reply.generation.fence);
        if (!state) reply.abandon.abort("lost");
        else if (state.stopRequested) reply.abandon.abort("stopped");
        const { soFar } = checkpoints[index] ?? {};
        if (soFar) {
          savedChars.set(reply, soFar.text.length);
          savedTools.set(reply, soFar.tools.length);
        }
      }
    }
  };
}

function inBatches(replies: readonly RunningReply[], repliesMax: number): readonly (readonly RunningReply[])[] {
  const batches: RunningReply[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const reply of replies) {
    const last = batches.at(-1);
    chars += reply.log.position.chars;
    if (last && last.length < repliesMax && chars <= CHECKPOINT_MAX.chars) last.push(reply);
    else {
      batches.push([reply]);
      chars = reply.log.position.chars;
    }
  }
  return batches;
}

/**
 * Closes only when the look before this one succeeded: after an outage of PostgreSQL every server's heartbeat is old,
 * and those that live get the time to say so.
 */
function createReaper(deps: Deps, limitMs: number): () => Promise<void> {
  let inTouchAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = performance.now();
    const inTouch = now - inTouchAt < limitMs / 2;
    inTouchAt = Number.NEGATIVE_INFINITY;
    const dead = await listDead(deps, limitMs);
    inTouchAt = now;
    if (inTouch) await closeAll(deps, dead, limitMs);
  };
}

async function closeDead(deps: Deps, idleMs: number): Promise<void> {
  for (let dead = await listDead(deps, idleMs); dead.length > 0; dead = await listDead(deps, idleMs)) {
    await closeAll(deps, dead, idleMs);
  }
}

function listDead(deps: Deps, idleMs: number): Promise<readonly RunningGeneration[]> {
  const ownFences = [...deps.runningReplies.values()].map(({ generation }) => generation.fence);
  return listDeadGenerations(deps.db, { idleMs, serverId: deps.serverId, ownFences }, DEAD_MAX);
}

async function closeAll(deps: Deps, dead: readonly RunningGeneration[], idleMs: number): Promise<void> {
  for (const generation of dead) await closeForDead(deps, generation, idleMs);
}

/** Stores what was written by a server that died: the most that is known of it. */
async function closeForDead(deps: Deps, generation: RunningGeneration, limitMs: number): Promise<void> {
  const { at, messageId, serverId, stopRequested, replaces } = generation;
  const log = await lastKnown(deps, generation);
  const { chars, tools } = log.position;
  const message = {
    id: messageId,
    role: "assistant",
    status: stopRequested ? "stopped" : "interrupted",
    content: log.soFar.text,
    parts: partsOf(log.soFar),
  } as const;
  const isOwn = serverId === deps.serverId;
  const kept = replaces && chars + tools === 0 ? null : message;
  const closed = await closeReply(deps, generation, kept, isOwn ? {} : { idleMs: limitMs });
  if (!closed) return;
  deps.log.warn({ userId: at.userId, conversationId: at.id, messageId }, "closed the reply of a server that died");
  deps.live.streams.end({ ...at, messageId });
  const told = { conversation_id: generation.conversationId, message_id: messageId };
  deps.live.feed.tell(at.userId, { type: "reply_ended", ...told });
}

async function lastKnown(deps: Deps, { at, messageId, partial }: RunningGeneration): Promise<ReplyLog> {
  const streamed = new ReplyLog(messageId);
  for (let cursor: string | null = null; ;) {
    const read = await deps.live.streams.read({ ...at, messageId }, cursor);
    if (!read || read.entries.length === 0 || !addEntries(streamed, read.entries)) break;
    cursor = read.cursor;
  }
  const { chars, tools } = streamed.position;
  if (chars >= partial.text.length && tools >= partial.tools.length) return streamed;
  const checkpointed = new ReplyLog(messageId);
  for (const chunk of chunksSince(partial, { chars: 0, tools: 0 })) checkpointed.add(chunk);
  return checkpointed;
}
