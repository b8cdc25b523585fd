import { logText } from "../domain/logged-error.ts";
import { chunksSince, type ReplyPosition, type ReplySoFar } from "../domain/reply.ts";
import { ReplyLog } from "../live/reply-log.ts";
import {
  type Checkpoint,
  checkpointReplies,
  findGeneration,
  type Heartbeat,
  listHeartbeats,
  type RunningGeneration,
} from "../postgres/running-generations.ts";
import { closeReply, isBetterThanAnother } from "./answer.ts";
import type { Deps } from "./deps.ts";
import { addEntries, serverChannel } from "./remote-reply.ts";
import { partsOf } from "./reply-message.ts";
import { keyOf, keyOfAttempt, type RunningReply } from "./running-reply.ts";

/** So that a checkpoint is committed two seconds after the one before, whatever it takes. */
const CHECKPOINT_MS = 1_500;
/** What one checkpoint statement carries. */
const CHECKPOINT_MAX = { replies: 200, chars: 1_048_576 };
/** So many looks within the limit, and so many without a sign of life: a dead server's replies are closed within it. */
const LOOKS = 10;
const LOOKS_UNTIL_DEAD = 8;

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
  const looksEveryMs = limitMs / LOOKS;
  const reap = oneAtATime(deps, "replies of dead servers were not looked for", createReaper(deps, looksEveryMs));
  if (isAlone) await closeAll(deps, await listHeartbeats(deps.db));
  const timers = [
    setInterval(() => void checkpoint(), CHECKPOINT_MS).unref(),
    setInterval(() => void reap(), looksEveryMs).unref(),
  ];
  // What was missed is in PostgreSQL, like all that is signalled.
  const look = (): void => void checkpoint();
  const stopListening = deps.live.signals.listen(serverChannel(deps.serverId), look, look);
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
  if (!deps.stopping.aborted) deps.log.warn({ error: logText(error) }, what);
}

function createCheckpoint(deps: Deps, appendBatching: boolean): () => Promise<void> {
  const saved = new WeakMap<RunningReply, ReplyPosition>();
  return async () => {
    for (const replies of inBatches([...deps.runningReplies.values()], appendBatching ? CHECKPOINT_MAX.replies : 1)) {
      const positions = replies.map(({ log }) => log.position);
      const checkpoints = replies.map((reply): Checkpoint => {
        const { chars, tools } = reply.log.position;
        const before = saved.get(reply);
        const isNew = chars !== before?.chars || tools !== before.tools;
        return { ...reply.generation, soFar: isNew ? reply.log.soFar : null };
      });
      const told = await checkpointReplies(deps.db, checkpoints);
      const states = new Map(told.map((state) => [keyOfAttempt(state), state]));
      for (const [index, reply] of replies.entries()) {
        const state = states.get(keyOfAttempt(reply.generation));
        if (!state) reply.abandon.abort("lost");
        else if (state.stopRequested) reply.abandon.abort("stopped");
        const position = positions[index];
        if (state && position) saved.set(reply, position);
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
 * A server is dead when its heartbeat has not moved for most of the limit by the clock of who looks: PostgreSQL's may
 * be set, and after an outage of it every heartbeat is old. A look that fails, or comes late, begins again.
 */
function createReaper(deps: Deps, looksEveryMs: number): () => Promise<void> {
  let seen = new Map<string, { readonly heartbeat: string; readonly sinceMs: number }>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = performance.now();
    if (now - lookedAt > looksEveryMs * 3) seen = new Map();
    lookedAt = Number.NEGATIVE_INFINITY;
    const running = (await listHeartbeats(deps.db)).filter((heartbeat) => !isWrittenHere(deps, heartbeat));
    lookedAt = now;
    seen = new Map(
      running.map((generation) => {
        const before = seen.get(keyOfAttempt(generation));
        const { heartbeat } = generation;
        return [keyOfAttempt(generation), before?.heartbeat === heartbeat ? before : { heartbeat, sinceMs: now }];
      }),
    );
    const deadAfterMs = looksEveryMs * LOOKS_UNTIL_DEAD;
    await closeAll(
      deps,
      running.filter((generation) => now - (seen.get(keyOfAttempt(generation))?.sinceMs ?? now) >= deadAfterMs),
    );
  };
}

function isWrittenHere(deps: Deps, { at, fence }: Heartbeat): boolean {
  return deps.runningReplies.get(keyOf(at))?.generation.fence === fence;
}

async function closeAll(deps: Deps, dead: readonly Heartbeat[]): Promise<void> {
  for (const heartbeat of dead) {
    await closeForDead(deps, heartbeat).catch((error: unknown) => warn(deps, "a dead server's reply is open", error));
  }
}

/** Stores what was written by a server that died: the most that is known of it. */
async function closeForDead(deps: Deps, { at, fence, heartbeat }: Heartbeat): Promise<void> {
  const generation = await findGeneration(deps.db, at, { inTrash: true });
  if (generation?.fence !== fence) return;
  const { messageId, stopRequested, replaces } = generation;
  const soFar = await lastKnown(deps, generation);
  const message = {
    id: messageId,
    role: "assistant",
    status: stopRequested ? "stopped" : "interrupted",
    content: soFar.text,
    parts: partsOf(soFar),
  } as const;
  const kept = !replaces || isBetterThanAnother(message) ? message : null;
  const closed = await closeReply(deps, generation, kept, { heartbeat });
  if (!closed) return;
  deps.log.warn({ userId: at.userId, conversationId: at.id, messageId }, "closed the reply of a server that died");
  deps.live.streams.end({ ...at, messageId });
  const told = { conversation_id: generation.conversationId, message_id: messageId };
  deps.live.feed.tell(at.userId, { type: "reply_ended", ...told });
}

/** The last checkpoint, and what the reply's stream knows beyond it. */
async function lastKnown(deps: Deps, { at, messageId, partial }: RunningGeneration): Promise<ReplySoFar> {
  const log = new ReplyLog(messageId);
  for (const chunk of chunksSince(partial, { chars: 0, tools: 0 })) log.add(chunk);
  for (let cursor: string | null = null; ;) {
    const read = await deps.live.streams.read({ ...at, messageId }, cursor);
    if (!read || read.entries.length === 0 || !addEntries(log, read.entries)) return log.soFar;
    cursor = read.cursor;
  }
}
