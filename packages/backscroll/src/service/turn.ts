import type { ConversationRef } from "../domain/conversation.ts";
import { DEFAULT_TITLE } from "../domain/conversation.ts";
import { BackscrollError, invalidRequest } from "../domain/errors.ts";
import { deriveId, mintId, toStoredId } from "../domain/ids.ts";
import { type MessageJson, type NewMessage, type Part, parseMessageJson, seqOfMessage } from "../domain/message.ts";
import {
  type NewGeneration,
  type OpenedGeneration,
  openFirstTurn,
  type OpenResult,
  openTurn,
  reopenTurn,
} from "../postgres/generations.ts";
import { findMessages } from "../postgres/messages.ts";
import { findGeneration, findLastQuestion, findReply } from "../postgres/running-generations.ts";
import { beginReply } from "./answer.ts";
import { appendWithin, tellAgain } from "./changes.ts";
import { checkConversationFields, checkNewMessages } from "./check.ts";
import type { Deps } from "./deps.ts";
import { logOf, replyInterrupted } from "./ending.ts";
import { type ConversationName, checkSameMessage, conversationNotFound, toRef } from "./messages.ts";
import { logOfRunning } from "./remote-reply.ts";
import { type Turn, turnOf } from "./running-reply.ts";

export interface TurnRequest {
  /** what the user says */
  readonly message: string;
  /** what of it is not plain text, verbatim */
  readonly parts?: readonly Part[] | undefined;
  /** absent: a new conversation */
  readonly conversationId?: string | undefined;
  /** true: it is made when there is none of that id */
  readonly createConversation?: boolean | undefined;
  /** makes the turn exactly-once: the same id again joins the running reply or gets the stored one */
  readonly messageId?: string | undefined;
}

/** A turn whose reply is stored. */
export interface FinishedTurn {
  readonly conversationId: string;
  readonly userMessage: MessageJson;
  readonly assistantMessage: MessageJson;
}

/**
 * Takes one exchange: saves the user's message and begins the reply, which goes on whoever listens. Resolves once the
 * message is durable. A message that was sent before is not saved again: its reply is joined while it is written,
 * given when it is stored, and asked for once more when it failed or was interrupted.
 *
 * @throws {BackscrollError} conversation_not_found; conversation_busy while another message is being answered;
 * message_id_conflict; conversation_id_conflict; invalid_request; message_too_large
 */
export async function startTurn(deps: Deps, userId: number, request: TurnRequest): Promise<Turn> {
  const conversationId = request.conversationId ?? newConversationId(userId, request);
  const question = checkedQuestion(deps, request);
  checkConversationFields({ id: conversationId });
  const at = { userId, conversationId };
  const mayExist = request.conversationId !== undefined;
  const mayMake = !mayExist || request.createConversation === true;
  for (;;) {
    const opened = await openQuestion(deps, at, question, { mayExist, mayMake });
    const turn = opened === "conflict" ? await findTurn(deps, toRef(at), question) : begin(deps, opened);
    if (turn) return turn;
  }
}

/** @returns the id of the conversation that a message begins */
export function newConversationId(userId: number, { messageId }: Pick<TurnRequest, "messageId">): string {
  // What a retry must find again is derived from the id that the retry brings.
  return messageId === undefined ? mintId() : deriveId(`${userId}:${messageId}`, "conversation");
}

/** @throws {BackscrollError} invalid_request, message_too_large */
export function checkedQuestion(deps: Deps, request: TurnRequest): NewMessage & { readonly id: string } {
  const { message, parts, messageId: id = mintId() } = request;
  const question = { id, role: "user", content: message, ...(parts && { parts }) } as const;
  checkNewMessages([question], deps.settings);
  return question;
}

/** Saves the question and opens the generation of its reply, in a conversation that is made where that is allowed. */
async function openQuestion(
  deps: Deps,
  at: ConversationName,
  question: NewMessage,
  { mayExist, mayMake }: { mayExist: boolean; mayMake: boolean },
): Promise<OpenedGeneration | "conflict"> {
  const ref = toRef(at);
  const generation = newGeneration(deps);
  const open = (): Promise<OpenResult> =>
    appendWithin(deps, ref, openTurn(deps.db, ref, question, generation), (opened) =>
      typeof opened === "string" ? null : { appended: opened.appended, also: null },
    );
  let opened = mayExist ? await open() : "conversation_not_found";
  if (opened === "conversation_not_found" && mayMake) {
    opened = await openFirst(deps, at, question, generation);
    if (opened !== "conflict") return opened;
    // Somebody has made it meanwhile, or an earlier try of this request.
    opened = await open();
    if (opened === "conversation_not_found") throw inTrash(at);
  }
  if (opened === "conversation_not_found") throw conversationNotFound();
  return opened;
}

async function openFirst(
  deps: Deps,
  at: ConversationName,
  question: NewMessage,
  generation: NewGeneration,
): Promise<OpenedGeneration | "conflict"> {
  const stored = toStoredId(at.userId, at.conversationId);
  const made = { userId: at.userId, id: stored.id, clientId: stored.clientId, title: DEFAULT_TITLE };
  // Somebody may have asked for a known id before, and been told that there is none: the cache forgets that.
  return appendWithin(deps, toRef(at), openFirstTurn(deps.db, made, question, generation), (opened) =>
    opened === "conflict" ? null : { appended: opened.appended, also: "made" },
  );
}

function begin(deps: Deps, opened: OpenedGeneration): Turn {
  const [question] = opened.appended.messages;
  if (question === undefined) throw new Error("opening a turn saves its question");
  const { log } = beginReply(deps, opened, { question, replaces: false });
  return turnOf(question, log, false);
}

/**
 * The turn of a question that is stored already.
 *
 * @returns null when everything has changed meanwhile: try again
 */
async function findTurn(
  deps: Deps,
  ref: ConversationRef,
  question: NewMessage & { readonly id: string },
): Promise<Turn | null> {
  const found = await findMessages(deps.db, ref, [toStoredId(ref.userId, question.id).id]);
  if (!found) throw conversationNotFound();
  const running = await findGeneration(deps.db, ref);
  const [stored] = found.messages;
  if (!stored) {
    if (running) throw busy();
    return null;
  }
  checkSameMessage(question, stored);
  await tellAgain(deps, ref, { version: found.version, messages: [stored.json] });
  if (running?.questionId === stored.id) return turnOf(stored.json, logOfRunning(deps, running), true);
  const reply = await findReply(deps.db, ref, stored);
  if (reply !== null && isAnswer(reply)) return turnOf(stored.json, logOf(reply), true);
  if (running) throw busy();
  return reopen(deps, { at: ref, ...stored }, { version: found.version, replacesUpTo: 0 }, newGeneration(deps));
}

/** One that failed or was interrupted is asked for again; one that its user stopped is what its user wanted. */
function isAnswer(reply: MessageJson): boolean {
  const { status } = parseMessageJson(reply);
  return status === "complete" || status === "stopped";
}

async function reopen(
  deps: Deps,
  question: { readonly at: ConversationRef; readonly id: string; readonly seq: number; readonly json: MessageJson },
  decided: { readonly version: number; readonly replacesUpTo: number },
  generation: NewGeneration,
): Promise<Turn | null> {
  const opened = await reopenTurn(deps.db, question, decided, generation);
  if (!opened) return null;
  const { log } = beginReply(deps, opened, { question: question.json, replaces: decided.replacesUpTo > 0 });
  return turnOf(question.json, log, false);
}

/**
 * Answers the last user message again. The new reply takes the place of the one before when it is saved; one that
 * fails, or says nothing, leaves it where it is. While the message is being answered, that reply is joined.
 *
 * @param messageId the reply to replace, or the message that it answers; absent: the last one
 * @param replyId makes it exactly-once: the new reply's id
 * @throws {BackscrollError} conversation_not_found, conversation_busy; invalid_request when there is no user message,
 * or `messageId` is further back
 */
export async function regenerateReply(
  deps: Deps,
  at: ConversationName,
  { messageId, replyId }: { messageId?: string | undefined; replyId?: string | undefined } = {},
): Promise<Turn> {
  const ref = toRef(at);
  for (;;) {
    const last = await findLastQuestion(deps.db, ref);
    if (!last) throw conversationNotFound();
    const { question, version, answered, lastSeq } = last;
    if (!question)
      throw invalidRequest({ path: "id", message: "names a conversation without a user message to answer" });
    const named = [messageId, replyId].map((id) => (id === undefined ? null : toStoredId(ref.userId, id).id));
    const stored = await findStored(deps, ref, named);
    const [target, reply] = stored;
    if (target && seqOfMessage(target) < question.seq) {
      throw invalidRequest({ path: "messageId", message: "must be the last reply: only that can be written again" });
    }
    if (reply && isAnswer(reply)) return turnOf(question.json, logOf(reply), true);
    const running = await findGeneration(deps.db, ref);
    if (running?.questionId === question.id) return turnOf(question.json, logOfRunning(deps, running), true);
    if (running) throw busy();
    const decided = { version, replacesUpTo: answered ? lastSeq : 0 };
    const turn = await reopen(
      deps,
      { at: ref, ...question },
      decided,
      newGeneration(deps, reply ? undefined : replyId),
    );
    if (turn) return turn;
  }
}

/** @returns the message of each id, undefined where there is none */
async function findStored(
  deps: Deps,
  ref: ConversationRef,
  ids: readonly (string | null)[],
): Promise<readonly (MessageJson | undefined)[]> {
  const wanted = ids.filter((id) => id !== null);
  if (wanted.length === 0) return [];
  const found = await findMessages(deps.db, ref, wanted);
  if (!found) throw conversationNotFound();
  return ids.map((id) => found.messages.find((message) => message.id === id)?.json);
}

/**
 * Takes a turn and waits until its reply is stored. Who joined a reply whose server then died has been shown nothing of
 * it, so it is asked for again.
 *
 * @throws {BackscrollError} as `start` and `finishTurn`
 */
export async function takeTurn(start: () => Promise<Turn>): Promise<FinishedTurn & { readonly turn: Turn }> {
  for (;;) {
    const turn = await start();
    const ending = await turn.reply.ended;
    const isGone = ending.type === "failed" && ending.error.code === "reply_interrupted";
    // One that is begun here ends otherwise: each round waits for another server to die.
    if (!isGone || !turn.replayed) return { ...(await finishTurn(turn)), turn };
  }
}

/**
 * Waits until a turn's reply is stored.
 *
 * @throws {BackscrollError} responder_failed, responder_rate_limited, responder_timeout, responder_refused,
 * reply_interrupted, shutting_down: the user's message is kept, and the same `messageId` asks again
 */
export async function finishTurn({ conversationId, userMessage, reply }: Turn): Promise<FinishedTurn> {
  const ending = await reply.ended;
  if (ending.type === "failed") throw ending.error;
  if (ending.type === "stopped") throw replyInterrupted("the reply was stopped before it said anything");
  return { conversationId, userMessage, assistantMessage: ending.message };
}

function newGeneration(deps: Deps, messageId: string = mintId()): NewGeneration {
  return { messageId, serverId: deps.serverId };
}

function busy(): BackscrollError {
  return new BackscrollError(
    "conversation_busy",
    "another message of this conversation is being answered: wait for its reply, or stop it",
  );
}

function inTrash({ conversationId }: ConversationName): BackscrollError {
  return new BackscrollError("conversation_id_conflict", `the conversation ${conversationId} is in the trash`);
}
