import { setTimeout as delay } from "node:timers/promises";
import type { ConversationRef } from "../domain/conversation.ts";
import { logText } from "../domain/logged-error.ts";
import { type MessageJson, parseMessageJson } from "../domain/message.ts";
import { chunksSince, type ReplyPosition, type ReplySoFar } from "../domain/reply.ts";
import { type ReplyEnding, ReplyLog } from "../live/reply-log.ts";
import type { ReplyEntry } from "../live/reply-streams.ts";
import { findMessages } from "../postgres/messages.ts";
import { findGeneration, requestStop, type RunningGeneration } from "../postgres/running-generations.ts";
import type { Deps } from "./deps.ts";
import { endingOf, notKept } from "./ending.ts";
import { type ConversationName, toRef } from "./messages.ts";
import { saidIn } from "./reply-message.ts";
import { keyOf, keyOfAttempt, shuttingDown, type Turn, turnOf } from "./running-reply.ts";

/** How often a reply of another server is looked at: in its stream; in PostgreSQL, when that has ended, is silent, or not. */
const LOOK_MS = { stream: 50, ended: 100, silent: 500, atLeast: 2_000 };
/** How long a stop waits for the server that writes the reply. */
const STOP_MS = 10_000;

/** Replies of other servers that somebody here follows, by their attempt. */
export type FollowedReplies = Map<string, ReplyLog>;

/** @returns the channel on which a server hears what is meant for it */
export function serverChannel(serverId: string): string {
  return `server:${serverId}`;
}

/** @returns the turn whose reply is being written, on any server; null when there is none */
export async function followReply(deps: Deps, at: ConversationName): Promise<Turn | null> {
  const ref = toRef(at);
  const own = deps.runningReplies.get(keyOf(ref));
  if (own) return turnOf(own.question, own.log, true);
  const running = await findGeneration(deps.db, ref);
  return running?.question ? turnOf(running.question, logOfRunning(deps, running), true) : null;
}

/**
 * Stops the reply that is being written, on any server, and waits until what was written is stored.
 *
 * @returns `stopped` false: none was. `message` null: it had said nothing, and the reply before it stays; or its server
 * has not answered within ten seconds, and another one will store it
 */
export async function stopReply(
  deps: Deps,
  at: ConversationName,
): Promise<{ readonly stopped: boolean; readonly message: MessageJson | null }> {
  const ref = toRef(at);
  const generation = await requestStop(deps.db, ref);
  if (!generation) return { stopped: false, message: null };
  const { fence, messageId, serverId } = generation;
  const own = deps.runningReplies.get(keyOf(ref));
  if (own?.generation.fence === fence) {
    own.abandon.abort("stopped");
    await own.done;
  } else {
    deps.live.signals.send(serverChannel(serverId), "stop");
    const running = await findGeneration(deps.db, ref);
    const given = new AbortController();
    if (running) await Promise.race([logOfRunning(deps, running).ended, pause(STOP_MS, given.signal)]);
    given.abort();
  }
  const [stored] = (await findMessages(deps.db, ref, [messageId]))?.messages ?? [];
  return { stopped: true, message: stored?.json ?? null };
}

/** Stops a reply that nobody will read, and waits for nothing. */
export async function abandonReply(deps: Deps, ref: ConversationRef): Promise<void> {
  const generation = await requestStop(deps.db, ref);
  if (!generation) return;
  const own = deps.runningReplies.get(keyOf(ref));
  if (own?.generation.fence === generation.fence) own.abandon.abort("stopped");
  else deps.live.signals.send(serverChannel(generation.serverId), "stop");
}

/** @returns the log of a reply that is being written: this server's own, or one that is fed with what another writes */
export function logOfRunning(deps: Deps, running: RunningGeneration): ReplyLog {
  const own = deps.runningReplies.get(keyOf(running.at));
  if (own?.generation.fence === running.fence) return own.log;
  const key = keyOfAttempt(running);
  const followed = deps.followedReplies.get(key);
  if (followed) return followed;
  const log = new ReplyLog(running.messageId);
  deps.followedReplies.set(key, log);
  void deps.track(feed(deps, running, log).finally(() => deps.followedReplies.delete(key)));
  return log;
}

/** Brings to a log what another server writes, to the end. */
async function feed(deps: Deps, running: RunningGeneration, log: ReplyLog): Promise<void> {
  const streamed = { ...running.at, messageId: running.messageId };
  let cursor: string | null = null;
  let heardAt = Number.NEGATIVE_INFINITY;
  let lookedAt = Number.NEGATIVE_INFINITY;
  while (!deps.stopping.aborted) {
    const read = await deps.live.streams.read(streamed, cursor);
    const now = performance.now();
    const isWhole = read !== null && addEntries(log, read.entries);
    // After a gap from the beginning again: PostgreSQL fills it, and what comes behind it is still there.
    cursor = isWhole ? read.cursor : null;
    if (isWhole && read.entries.length > 0) heardAt = now;
    const looksAfterMs = read?.ended
      ? LOOK_MS.ended
      : now - heardAt > LOOK_MS.silent
        ? LOOK_MS.silent
        : LOOK_MS.atLeast;
    if (now - lookedAt >= looksAfterMs) {
      const ending = await lookInPostgres(deps, running, log);
      if (ending) return log.end(ending);
      lookedAt = now;
    }
    await pause(isWhole ? LOOK_MS.stream : LOOK_MS.silent, deps.stopping);
  }
  log.end({ type: "failed", error: shuttingDown() });
}

/** @returns false when entries before one of them were lost: what follows a gap is not added */
export function addEntries(log: ReplyLog, entries: readonly ReplyEntry[]): boolean {
  return entries.every((entry) => addEntry(log, entry));
}

function addEntry(log: ReplyLog, { from, chunks }: ReplyEntry): boolean {
  const at = log.position;
  if (from.chars > at.chars || from.tools > at.tools) return false;
  addSince(log, at, from, chunks);
  return true;
}

function addSince(log: ReplyLog, at: ReplyPosition, from: ReplyPosition, chunks: ReplyEntry["chunks"]): void {
  let { chars, tools } = from;
  for (const chunk of chunks) {
    if (chunk.type === "text") {
      // What PostgreSQL had already told may end in the middle of it.
      const known = Math.max(0, at.chars - chars);
      chars += chunk.text.length;
      if (known < chunk.text.length) log.add({ type: "text", text: chunk.text.slice(known) });
    } else {
      tools += 1;
      if (tools > at.tools) log.add(chunk);
    }
  }
}

/** Adds what the last checkpoint knows beyond the log. @returns how it ended; null while it is being written */
async function lookInPostgres(
  deps: Deps,
  { at, fence, messageId, replaces }: RunningGeneration,
  log: ReplyLog,
): Promise<ReplyEnding | null> {
  try {
    const now = await findGeneration(deps.db, at);
    if (now?.fence === fence) {
      addAll(log, now.partial);
      return null;
    }
    const [stored] = (await findMessages(deps.db, at, [messageId]))?.messages ?? [];
    if (!stored) return notKept(replaces);
    addAll(log, saidIn(parseMessageJson(stored.json)));
    return endingOf(stored.json);
  } catch (error) {
    deps.log.warn({ error: logText(error) }, "a reply of another server could not be looked up; it is tried again");
    return null;
  }
}

function addAll(log: ReplyLog, soFar: ReplySoFar): void {
  for (const chunk of chunksSince(soFar, log.position)) log.add(chunk);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
