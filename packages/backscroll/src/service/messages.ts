import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Actor } from "../domain/actor.ts";
import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { toStoredId } from "../domain/ids.ts";
import { type MessageJson, type NewMessage, parseMessageJson } from "../domain/message.ts";
import { insertMessages } from "../postgres/append.ts";
import { deleteMessage as deleteStoredMessage, type MessageEdit, updateMessage } from "../postgres/message-changes.ts";
import { findMessages, type SavedMessage } from "../postgres/messages.ts";
import { recorded, subjectOf } from "./audit.ts";
import { appendMessages, changeConversation, tellAgain } from "./changes.ts";
import { checkContentBytes, checkNewMessages, Problems } from "./check.ts";
import type { Deps } from "./deps.ts";
import { whenNobodyIsInTheWay } from "./in-the-way.ts";

/** Names one conversation of one user by the id its author gave it. */
export interface ConversationName {
  readonly userId: number;
  readonly conversationId: string;
}

export interface SavedMessages {
  /** false: every one of them was there already, with the same body */
  readonly created: boolean;
  /** as stored, in the order given */
  readonly messages: readonly MessageJson[];
}

export function toRef({ userId, conversationId }: ConversationName): ConversationRef {
  return { userId, id: toStoredId(userId, conversationId).id };
}

export function conversationNotFound(): BackscrollError {
  return new BackscrollError("conversation_not_found", "no such conversation");
}

function messageNotFound(): BackscrollError {
  return new BackscrollError("message_not_found", "no such message in this conversation");
}

/**
 * Saves messages at the end of a conversation, in order, all or none. Resolves once PostgreSQL has committed.
 * A message with an id is saved once, however often it is sent.
 *
 * @param messages 1 to 100
 * @throws {BackscrollError} conversation_not_found, for another user's conversation too; message_id_conflict when
 * an id is there with another body; invalid_request; message_too_large; database_unavailable
 */
export async function saveMessages(
  deps: Deps,
  at: ConversationName,
  messages: readonly NewMessage[],
): Promise<SavedMessages> {
  checkNewMessages(messages, deps.settings);
  const appended = await appendMessages(deps, toRef(at), messages);
  if (appended === "conversation_not_found") throw conversationNotFound();
  if (appended === "duplicate_id") return saveMissing(deps, at, messages);
  return { created: true, messages: appended.messages };
}

/** Some ids are there: what is missing is saved, what is there must match. */
async function saveMissing(deps: Deps, at: ConversationName, messages: readonly NewMessage[]): Promise<SavedMessages> {
  const ref = toRef(at);
  const ids = messages.map(({ id }) => (id === undefined ? null : toStoredId(at.userId, id).id));
  for (let created = false; ;) {
    const found = await findMessages(
      deps.db,
      ref,
      ids.filter((id) => id !== null),
    );
    if (!found) throw conversationNotFound();
    const stored = new Map(found.messages.map((message) => [message.id, message]));
    const results = messages.map((message, index): MessageJson | undefined => {
      const there = stored.get(ids[index] ?? "");
      if (!there) return undefined;
      checkSameMessage(message, there);
      return there.json;
    });
    const missing = messages.filter((_, index) => results[index] === undefined);
    if (missing.length > 0) {
      const appended = await appendMessages(deps, ref, missing, (ref, messages) =>
        insertMessages(deps.db, ref, messages),
      );
      if (appended === "conversation_not_found") throw conversationNotFound();
      // Somebody saved one of them in between: there are more to find, so this ends.
      if (appended === "duplicate_id") continue;
      created = true;
      const rest = appended.messages.values();
      return { created, messages: results.map((json) => json ?? (rest.next().value as MessageJson)) };
    }
    const there = results.filter((json) => json !== undefined);
    await tellAgain(deps, ref, { version: found.version, messages: there });
    return { created, messages: there };
  }
}

/** @throws {BackscrollError} message_id_conflict when what is stored under its id is not this message */
export function checkSameMessage(message: NewMessage, stored: SavedMessage): void {
  if (isSameMessage(message, stored)) return;
  throw new BackscrollError("message_id_conflict", `the message id ${message.id} is already used with another body`);
}

/** The content is compared as it was first saved: an edit since then does not make a retry a conflict. */
function isSameMessage(message: NewMessage, stored: SavedMessage): boolean {
  const wire = parseMessageJson(stored.json);
  return (
    createHash("md5").update(message.content).digest("hex") === stored.savedContentMd5 &&
    message.role === wire.role &&
    (message.model ?? null) === wire.model &&
    (message.tokensUsed ?? null) === wire.tokens_used &&
    (message.latencyMs ?? null) === wire.latency_ms &&
    isDeepStrictEqual(asWritten(message.parts ?? null), wire.parts ?? null) &&
    isDeepStrictEqual(asWritten(message.metadata ?? null), wire.metadata)
  );
}

/** @throws {BackscrollError} conversation_not_found, message_not_found, version_conflict, message_too_large */
export async function editMessage(
  deps: Deps,
  at: ConversationName,
  messageId: string,
  edit: MessageEdit,
): Promise<MessageJson> {
  const problems = new Problems();
  problems.text("content", edit.content, { charsMax: Number.POSITIVE_INFINITY });
  problems.throwIfAny();
  checkContentBytes(edit.content, deps.settings.messageBytesMax);
  const ref = toRef(at);
  // Who changes a message past the service locks it before its conversation.
  const id = toStoredId(at.userId, messageId).id;
  const update = whenNobodyIsInTheWay(deps, () => updateMessage(deps.db, ref, id, edit));
  const edited = await changeConversation(deps, ref, update);
  if (!edited) throw conversationNotFound();
  tellOfMessage(deps, at, "message_edited", messageId, edited.version);
  if (edited.message) return edited.message;
  // Without a version to expect, only a deletion in between can have kept it from being edited.
  if (!edited.found || edit.expectedVersion === null) throw messageNotFound();
  throw new BackscrollError(
    "version_conflict",
    `the message is not at version ${edit.expectedVersion} any more: read it again`,
  );
}

/** @throws {BackscrollError} conversation_not_found, message_not_found */
export async function deleteMessage(
  deps: Deps,
  at: ConversationName,
  { messageId, actor }: { messageId: string; actor: Actor | null },
): Promise<void> {
  const ref = toRef(at);
  const deletion = recorded(
    deps,
    (db) => deleteStoredMessage(db, ref, toStoredId(at.userId, messageId).id),
    (done) => (done?.deleted === true ? { action: "message_deleted", actor, ...subjectOf(at) } : null),
  );
  const deleted = await changeConversation(deps, ref, deletion);
  if (deleted === null) throw conversationNotFound();
  tellOfMessage(deps, at, "message_deleted", messageId, deleted.version);
  if (!deleted.deleted) throw messageNotFound();
}

/** Also when nothing was changed: an earlier try may have done it, and died before it told anybody. */
function tellOfMessage(
  { live }: Deps,
  { userId, conversationId }: ConversationName,
  type: "message_edited" | "message_deleted",
  messageId: string,
  version: number,
): void {
  live.feed.tell(userId, { type, conversation_id: conversationId, message_id: messageId, version });
}

/** JSON knows no -0. */
function asWritten(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
