import { setImmediate as letOthersRun, setTimeout as delay } from "node:timers/promises";
import { BackscrollError } from "../domain/errors.ts";
import { loggedError, logText } from "../domain/logged-error.ts";
import { mintId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { type MessageJson, type MessageStatus, type NewMessage, parseMessageJson } from "../domain/message.ts";
import { type ReplyEnding, ReplyLog } from "../live/reply-log.ts";
import { type Closed, type CloseOptions, closeTurn, type Generation } from "../postgres/generations.ts";
import { findMessages } from "../postgres/messages.ts";
import { isPassing } from "../postgres/pool.ts";
import type { ReplyChunk } from "../domain/reply.ts";
import type { Span } from "../tracing/tracer.ts";
import { appendWithin } from "./changes.ts";
import { contextFor } from "./context.ts";
import type { Deps } from "./deps.ts";
import { endingOf, notKept, responderFailure, responderFailureText, responderSpan } from "./ending.ts";
import { conversationNotFound } from "./messages.ts";
import { partsOf, StorableChunks, storableUsage } from "./reply-message.ts";
import { type Abandonment, abandonment, keyOf, type RunningReply, shuttingDown } from "./running-reply.ts";
import { giveTitle } from "./title.ts";

/** Between two tries to save a reply while PostgreSQL does not answer. */
const SAVE_PAUSE_MS = { first: 100, max: 2_000 };
const BUSY_MS_MAX = 10;

/** Begins to write the reply of an open generation; from now on the process owes it an end. */
export function beginReply(
  deps: Deps,
  generation: Generation,
  { question, replaces }: { question: MessageJson; replaces: boolean },
): RunningReply {
  const { at, messageId } = generation;
  const streamed = { ...at, messageId };
  const { streams, feed } = deps.live;
  const log = new ReplyLog(messageId, (chunks, from) => streams.publish(streamed, { from, chunks }));
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const reply: RunningReply = { generation, question, replaces, log, abandon: new AbortController(), done };
  // There is one row a conversation: that of a reply which is here still has gone.
  deps.runningReplies.get(keyOf(at))?.abandon.abort("lost");
  deps.runningReplies.set(keyOf(at), reply);
  if (deps.stopping.aborted) reply.abandon.abort("shutting_down");
  const told = { conversation_id: parseMessageJson(question).conversation_id, message_id: messageId };
  feed.tell(at.userId, { type: "reply_started", ...told });
  const write = async (span: Span): Promise<void> => {
    const ending = await answer(deps, reply);
    span.set({ "backscroll.reply.ending": ending.type });
    // In this order: whoever finds it running can follow it, and whoever sees its end finds it stored.
    // What is there may be the next reply already: this one's row may have gone a while ago.
    if (deps.runningReplies.get(keyOf(at)) === reply) deps.runningReplies.delete(keyOf(at));
    // What the log still holds back is published by its end.
    log.end(ending);
    if (isGone(deps, at.userId, ending)) streams.drop(streamed);
    else streams.end(streamed);
    feed.tell(at.userId, { type: "reply_ended", ...told });
    resolve();
  };
  // It goes on when the request has ended, and is still a part of it.
  void deps.track(deps.tracer.span("write reply", {}, write));
  return reply;
}

/** @returns whether its conversation, or its user, is not there any more */
function isGone({ erasedUsers }: Deps, userId: number, ending: ReplyEnding): boolean {
  if (erasedUsers.has(userId)) return true;
  return ending.type === "failed" && ["conversation_not_found", "user_erased"].includes(ending.error.code);
}

/** Never rejects: whatever happens is an ending. */
async function answer(deps: Deps, reply: RunningReply): Promise<ReplyEnding> {
  try {
    const outcome = await ask(deps, reply);
    const { tokensUsed } = outcome.message;
    deps.metrics.replyEnded(outcome.abandoned === "lost" ? "lost" : outcome.status, tokensUsed ?? null);
    if (outcome.abandoned === "lost") return await whatWasStored(deps, reply);
    return await save(deps, reply, outcome);
  } catch (error) {
    deps.log.error({ err: loggedError(error) }, "a reply could not be saved");
    if (error instanceof BackscrollError) return { type: "failed", error };
    const failure = new BackscrollError("internal", "something went wrong here", {}, { cause: error });
    return { type: "failed", error: failure };
  }
}

/** What asking came to. */
interface Outcome {
  readonly abandoned: Abandonment | null;
  readonly status: MessageStatus;
  /** of a reply that failed or was interrupted */
  readonly error: BackscrollError | null;
  readonly message: NewMessage;
}

async function ask(deps: Deps, reply: RunningReply): Promise<Outcome> {
  const { responder, settings, tracer, log } = deps;
  const startedAt = performance.now();
  const timeout = AbortSignal.timeout(settings.responderTimeoutMs);
  const signal = AbortSignal.any([timeout, reply.abandon.signal]);
  const said: Said = { usage: { model: null, tokensUsed: null }, context: null };
  let failure: unknown = null;
  try {
    const { messages, leftOut } = await contextFor(deps, reply.generation.at, reply.generation.questionSeq);
    said.context = { messages: messages.length, left_out: leftOut };
    await tracer.span("ask responder", responderSpan(responder), async (span) => {
      const request = { messages, tools: settings.responderTools, signal, headers: tracer.headers() };
      const onFirst = (): void => {
        const ms = performance.now() - startedAt;
        deps.metrics.firstToken(ms);
        span.set({ "backscroll.reply.first_token_ms": Math.round(ms) });
      };
      await listen(untilAborted(responder.respond(request), signal), reply.log, said, onFirst);
    });
  } catch (error) {
    failure = error;
  }
  const abandoned = failure === null ? null : abandonment(signal);
  const error = failure === null || abandoned === "stopped" ? null : failureOf(failure, signal, abandoned);
  const status = statusOf(abandoned, error);
  if (status === "failed")
    log.warn({ responder: responder.description, error: responderFailureText(failure) }, "the responder failed");
  const { soFar, messageId: id } = reply.log;
  const latencyMs = Math.round(performance.now() - startedAt);
  const metadata = {
    ...(said.context && { context: said.context }),
    ...(status === "failed" && error && { error_code: error.code }),
  };
  const content = { content: soFar.text, parts: partsOf(soFar), ...said.usage };
  return { abandoned, status, error, message: { id, role: "assistant", status, ...content, latencyMs, metadata } };
}

function failureOf(failure: unknown, signal: AbortSignal, abandoned: Abandonment | null): BackscrollError {
  return abandoned === null ? responderFailure(failure, signal) : shuttingDown();
}

function statusOf(abandoned: Abandonment | null, error: BackscrollError | null): MessageStatus {
  if (abandoned === "stopped") return "stopped";
  if (abandoned !== null) return "interrupted";
  return error ? "failed" : "complete";
}

/** What is learned of a reply beside its text. */
interface Said {
  usage: ReturnType<typeof storableUsage>;
  context: { messages: number; left_out: number } | null;
}

async function listen(
  deltas: AsyncIterable<ReplyChunk | (Parameters<typeof storableUsage>[0] & { readonly type: "usage" })>,
  log: ReplyLog,
  said: Said,
  onFirst: () => void,
): Promise<void> {
  const storable = new StorableChunks();
  let toolChars = 0;
  let restedAt = performance.now();
  for await (const delta of deltas) {
    // A responder that never waits for anything would hold up everybody else.
    if (performance.now() - restedAt > BUSY_MS_MAX) {
      await letOthersRun();
      restedAt = performance.now();
    }
    if (delta.type === "usage") {
      said.usage = storableUsage(delta);
      continue;
    }
    const chunk = storable.next(delta);
    if (!chunk) continue;
    if (chunk.type !== "text") toolChars += JSON.stringify(chunk).length;
    else if (log.position.chars + chunk.text.length > LIMITS.replyCharsMax) throw tooLong(LIMITS.replyCharsMax);
    if (toolChars > LIMITS.partsBytesMax) throw tooLong(LIMITS.partsBytesMax);
    const { chars, tools } = log.position;
    if (chars + tools === 0) onFirst();
    log.add(chunk);
  }
  const { chars, tools } = log.position;
  if (chars + tools === 0) throw new BackscrollError("responder_failed", "the responder said nothing");
}

function tooLong(charsMax: number): BackscrollError {
  return new BackscrollError("responder_failed", `the responder said more than ${charsMax} characters`);
}

/** Saves the reply, however long PostgreSQL takes to answer again; a stopping server tries once. */
async function save(deps: Deps, reply: RunningReply, { message, error }: Outcome): Promise<ReplyEnding> {
  const { at } = reply.generation;
  const kept = !reply.replaces || isBetterThanAnother(message) ? message : null;
  const closed = await whilePostgresIsAway(deps, () => closeReply(deps, reply.generation, kept));
  if (!closed) return whatWasStored(deps, reply);
  const [stored] = closed.saved?.messages ?? [];
  if (error) return { type: "failed", error };
  if (stored === undefined) return { type: "stopped" };
  if (closed.untitled) {
    const exchange = { question: parseMessageJson(reply.question).content, reply: message.content };
    void deps.track(giveTitle(deps, at, exchange));
  }
  return { type: "saved", message: stored };
}

/** @returns whether it may take the place of a reply that was good: it is whole, or its user has read it so far */
export function isBetterThanAnother({ status, content, parts }: NewMessage): boolean {
  return status === "complete" || (status === "stopped" && (content !== "" || Boolean(parts)));
}

/**
 * Closes a generation, and tells the cache. What PostgreSQL does not take is saved with less, and at last not at all:
 * a generation that cannot be closed would block its conversation for ever.
 *
 * @returns null when somebody else has closed it
 */
export async function closeReply(
  deps: Deps,
  generation: Pick<Generation, "at" | "fence">,
  message: NewMessage | null,
  options: CloseOptions = {},
): Promise<Closed | null> {
  const close = (message: NewMessage | null): Promise<Closed | null> =>
    appendWithin(deps, generation.at, closeTurn(deps.db, generation, message, options), (closed) =>
      closed?.saved ? { appended: closed.saved, also: closed.saved.replaced ? "replaced" : null } : null,
    );
  try {
    return await close(message);
  } catch (error) {
    if (isPassing(error) || message === null) throw error;
    deps.log.error({ err: loggedError(error) }, "a reply could not be saved as it is: its text is saved alone");
    // Somebody may have used its id, which was told when it began.
    const { role, status, content } = message;
    return close({ id: mintId(), role, status, content }).catch(async (error: unknown) => {
      if (!isPassing(error)) await close(null);
      throw error;
    });
  }
}

async function whilePostgresIsAway<Result>(deps: Deps, work: () => Promise<Result>): Promise<Result> {
  for (let pauseMs = SAVE_PAUSE_MS.first; ; pauseMs = Math.min(pauseMs * 2, SAVE_PAUSE_MS.max)) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || deps.stopping.aborted) throw error;
      deps.log.warn({ error: logText(error) }, "PostgreSQL does not answer: a reply waits to be saved");
    }
    await delay(pauseMs, undefined, { signal: deps.stopping }).catch(() => undefined);
  }
}

/** The generation is closed: by an earlier try of this server whose answer was lost, or by another. */
async function whatWasStored(deps: Deps, { generation, replaces }: RunningReply): Promise<ReplyEnding> {
  const found = await findMessages(deps.db, generation.at, [generation.messageId]);
  if (!found) return { type: "failed", error: conversationNotFound() };
  const [stored] = found.messages;
  return stored ? endingOf(stored.json) : notKept(replaces);
}

/** Ends with the signal, whether the responder listens to it or not. @throws the signal's reason */
async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncIterable<Item> {
  const iterator = items[Symbol.asyncIterator]();
  // Not a race with a promise that lives as long as the reply: each piece would stay there until its end.
  let giveUp: (() => void) | undefined;
  const onAbort = (): void => giveUp?.();
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<Item>>((resolve, reject) => {
        giveUp = () => reject(signal.reason as Error);
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not waited for: a responder that hangs would hang here too.
    iterator.return?.().catch(() => undefined);
  }
}
