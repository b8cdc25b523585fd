import { isDeepStrictEqual } from "node:util";
import type { Actor } from "../domain/actor.ts";
import {
  type Conversation,
  type ConversationChanges,
  DEFAULT_TITLE,
  type NewConversation,
} from "../domain/conversation.ts";
import { decodeConversationCursor, encodeConversationCursor } from "../domain/cursor.ts";
import { BackscrollError, invalidRequest } from "../domain/errors.ts";
import { mintId, toStoredId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { textProblem } from "../domain/text.ts";
import { countConversations, countTrash, listConversations, listTrash } from "../postgres/conversation-list.ts";
import {
  findConversation,
  insertConversation,
  restoreConversation as restoreFromTrash,
  type StoredConversation,
  trashConversation,
  updateConversation as updateStored,
} from "../postgres/conversations.ts";
import { deleteErased, deleteMessageBatch, listErasing, markErasing } from "../postgres/erasure.ts";
import type { ConversationRef } from "../domain/conversation.ts";
import { foldUsageOf } from "../postgres/usage.ts";
import { createAttempts } from "./attempts.ts";
import { recorded, subjectOf } from "./audit.ts";
import { changeConversation } from "./changes.ts";
import { checkConversationFields, checkSlice } from "./check.ts";
import type { Deps } from "./deps.ts";
import { type Pagination, pagination } from "./history.ts";
import { whenNobodyIsInTheWay } from "./in-the-way.ts";
import { abandonReply } from "./remote-reply.ts";
import { type ConversationName, conversationNotFound, toRef } from "./messages.ts";
import { tellSessionsOf } from "./sessions.ts";

/** Bounds one statement of a permanent deletion. */
const ERASE_BATCH = 5_000;

/**
 * Creates a conversation. With an id it is created once, however often it is asked for.
 *
 * @returns `created` false: it was there already, as it is now
 * @throws {BackscrollError} conversation_id_conflict when the id is there with another title or metadata, or is in
 * the trash; invalid_request
 */
export async function createConversation(
  deps: Deps,
  userId: number,
  { id: givenId, title, metadata }: NewConversation,
): Promise<{ created: boolean; conversation: Conversation }> {
  const id = givenId ?? mintId();
  checkConversationFields({ id, title, metadata });
  const stored = toStoredId(userId, id);
  const ref = { userId, id: stored.id };
  const insertion = insertConversation(deps.db, ref, {
    clientId: stored.clientId,
    title: title ?? DEFAULT_TITLE,
    titleSource: title === undefined ? "default" : "user",
    metadata: metadata ?? {},
  });
  // Somebody may have asked for a known id before, and been told that there is none; or there was another of that id.
  const inserted = await (givenId === undefined ? insertion : changeConversation(deps, ref, insertion));
  if (inserted) {
    tellOf(deps, { userId, conversationId: id }, "created");
    return { created: true, conversation: inserted.conversation };
  }
  const found = await findConversation(deps.db, ref);
  if (
    !found ||
    (title !== undefined && title !== found.conversation.title) ||
    (metadata !== undefined && !isDeepStrictEqual(metadata, found.conversation.metadata))
  ) {
    throw new BackscrollError(
      "conversation_id_conflict",
      `the conversation id ${id} is already used, with another title or metadata, or is in the trash`,
    );
  }
  // Whoever made it may have died before it told anybody.
  tellOf(deps, { userId, conversationId: id }, "created");
  return { created: false, conversation: found.conversation };
}

/** @throws {BackscrollError} conversation_not_found */
export async function getConversation(deps: Deps, at: ConversationName): Promise<Conversation> {
  return present(await findConversation(deps.db, toRef(at)));
}

/** @throws {BackscrollError} conversation_not_found, invalid_request */
export async function updateConversation(
  deps: Deps,
  at: ConversationName,
  changes: ConversationChanges,
): Promise<Conversation> {
  checkConversationFields({ title: changes.title, metadata: changes.metadata });
  const updated = present(await updateStored(deps.db, toRef(at), changes));
  tellOf(deps, at, "updated");
  return updated;
}

function tellOf(
  { live }: Deps,
  { userId, conversationId }: ConversationName,
  happened: "created" | "updated" | "deleted" | "restored",
): void {
  live.feed.tell(userId, { type: `conversation_${happened}`, conversation_id: conversationId });
}

/**
 * Into the trash, from where it can be restored for 30 days; or, `permanent`, for good: from the trash too.
 * Either way it is invisible at once.
 *
 * @throws {BackscrollError} conversation_not_found
 */
export async function deleteConversation(
  deps: Deps,
  at: ConversationName,
  { actor, permanent = false }: { actor: Actor | null; permanent?: boolean },
): Promise<void> {
  const ref = toRef(at);
  const deletion = recorded(
    deps,
    (db) => (permanent ? markErasing(db, ref) : trashConversation(db, ref)),
    (deleted) =>
      deleted ? { action: permanent ? "conversation_deleted" : "conversation_trashed", actor, ...subjectOf(at) } : null,
  );
  const deleted = await changeConversation(deps, ref, deletion);
  await tellSessionsOf(deps, ref);
  // Also when it was gone: an earlier try may have died before it told anybody.
  tellOf(deps, at, "deleted");
  if (!deleted) throw conversationNotFound();
  await abandonReply(deps, ref);
  if (permanent) await eraseMarked(deps, ref);
}

/** Finishes the permanent deletions that a process which died left half done. */
export async function finishErasures(deps: Deps): Promise<void> {
  const attempt = createAttempts(deps, "a conversation's erasure was not finished; it is tried again");
  for (let after: ConversationRef | null = null; ;) {
    const left: readonly ConversationRef[] = await listErasing(deps.db, { after, limit: 100 });
    for (const ref of left) {
      if (deps.stopping.aborted) return;
      // Whoever marked it may have died before it told anybody; its id as its author wrote it is not read for that.
      deps.live.feed.tell(ref.userId, { type: "resync" });
      await attempt(ref.userId, () => eraseMarked(deps, ref));
    }
    after = left.at(-1) ?? null;
    if (after === null) return;
  }
}

/** In batches: no transaction holds a million rows. What it used stays counted. */
export async function eraseMarked(deps: Deps, ref: ConversationRef): Promise<void> {
  // Whoever marked it may have died before it told the cache.
  await deps.cache.changed(ref);
  await tellSessionsOf(deps, ref);
  // Other servers may be at it too.
  await whenNobodyIsInTheWay(deps, () => foldUsageOf(deps.db, ref));
  while (await whenNobodyIsInTheWay(deps, () => deleteMessageBatch(deps.db, ref, ERASE_BATCH))) {
    // The next process goes on with it.
    if (deps.stopping.aborted) return;
  }
  await whenNobodyIsInTheWay(deps, () => deleteErased(deps.db, ref));
}

/** @throws {BackscrollError} conversation_not_found when it is not in the trash, or has been for over 30 days */
export async function restoreConversation(deps: Deps, at: ConversationName): Promise<Conversation> {
  const ref = toRef(at);
  const restored = present(await changeConversation(deps, ref, restoreFromTrash(deps.db, ref)));
  await tellSessionsOf(deps, ref);
  tellOf(deps, at, "restored");
  return restored;
}

export interface ConversationsPage {
  readonly conversations: readonly Conversation[];
  readonly pagination: Pagination;
  /** where the list goes on; null at its end */
  readonly nextCursor: string | null;
}

export interface ListFilter {
  /** true: only archived ones. Default false: only the others */
  readonly archived?: boolean | undefined;
  /** part of the title, in any case */
  readonly q?: string | undefined;
}

/**
 * A page of a user's conversations: pinned ones first, each part by newest activity.
 *
 * @param pageSize 1 to 200
 */
export async function listUserConversations(
  deps: Deps,
  userId: number,
  {
    page = 1,
    pageSize = LIMITS.conversationsPageSizeDefault,
    ...filter
  }: ListFilter & { page?: number; pageSize?: number } = {},
): Promise<ConversationsPage> {
  checkSlice({ page, pageSize });
  const matching = toFilter(filter);
  const [total, found] = await Promise.all([
    countConversations(deps.db, userId, matching),
    listConversations(deps.db, userId, matching, { after: null, offset: (page - 1) * pageSize, limit: pageSize }),
  ]);
  const shape = pagination(total, page, pageSize);
  return {
    conversations: found.map(conversationOf),
    pagination: shape,
    nextCursor: shape.hasNext ? cursorAfter(found) : null,
  };
}

/** The same list from a cursor on: nothing is shown twice or left out when others move up meanwhile. */
export async function listConversationsFrom(
  deps: Deps,
  userId: number,
  {
    cursor,
    limit = LIMITS.conversationsPageSizeDefault,
    ...filter
  }: ListFilter & { cursor?: string | undefined; limit?: number },
): Promise<{ conversations: readonly Conversation[]; nextCursor: string | null }> {
  checkSlice({ limit });
  const found = await listConversations(deps.db, userId, toFilter(filter), {
    after: cursor === undefined ? null : decodeConversationCursor(cursor),
    offset: 0,
    limit: limit + 1,
  });
  const shown = found.slice(0, limit);
  return {
    conversations: shown.map(conversationOf),
    nextCursor: found.length > limit ? cursorAfter(shown) : null,
  };
}

/** What can be restored, last deleted first. */
export async function listDeletedConversations(
  deps: Deps,
  userId: number,
  { page = 1, pageSize = LIMITS.conversationsPageSizeDefault }: { page?: number; pageSize?: number } = {},
): Promise<{ conversations: readonly Conversation[]; pagination: Pagination }> {
  checkSlice({ page, pageSize });
  const [total, found] = await Promise.all([
    countTrash(deps.db, userId),
    listTrash(deps.db, userId, { offset: (page - 1) * pageSize, limit: pageSize }),
  ]);
  return { conversations: found.map(conversationOf), pagination: pagination(total, page, pageSize) };
}

function toFilter({ archived = false, q }: ListFilter): { archived: boolean; titlePart: string | null } {
  const problem = q === undefined ? null : textProblem(q);
  if (problem !== null) throw invalidRequest({ path: "q", message: problem });
  return { archived, titlePart: q === undefined || q === "" ? null : q };
}

function present(found: StoredConversation | null): Conversation {
  if (!found) throw conversationNotFound();
  return found.conversation;
}

function conversationOf({ conversation }: StoredConversation): Conversation {
  return conversation;
}

function cursorAfter(shown: readonly StoredConversation[]): string | null {
  const last = shown.at(-1);
  if (!last) return null;
  const { pinned, updatedAt } = last.conversation;
  return encodeConversationCursor({ pinned, updatedAt, id: last.ref.id });
}
