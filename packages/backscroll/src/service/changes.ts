import type { ConversationRef } from "../domain/conversation.ts";
import { idsOfMessage, type MessageJson, type NewMessage } from "../domain/message.ts";
import type { ChangeFeed } from "../live/change-feed.ts";
import type { Appended, AppendResult } from "../postgres/append.ts";
import { mayHaveCommitted } from "../postgres/pool.ts";
import type { Appender } from "./appender.ts";
import type { Deps } from "./deps.ts";
import { userErased } from "./users.ts";

/**
 * Appends messages; resolves once PostgreSQL has committed them and the cache has been told. The user's other clients
 * are told after that, and nobody waits for it.
 */
export async function appendMessages(
  deps: Deps,
  ref: ConversationRef,
  messages: readonly NewMessage[],
  append: Appender = deps.appender,
): Promise<AppendResult> {
  const appended = await orUncertain(deps, ref, append(ref, messages));
  if (typeof appended !== "string") {
    deps.metrics.saved(appended.messages);
    await deps.cache.appended(ref, appended);
    tellSaved(deps, ref, appended);
  }
  return appended;
}

/**
 * Follows what changes for a user, on any server, from a cursor on; ends with the signal, when this server stops, and
 * when the user is erased.
 *
 * @throws {BackscrollError} user_erased
 * @see ChangeFeed.follow
 */
export function followChanges(
  { live, draining, erasedUsers }: Deps,
  userId: number,
  cursor: string | null,
  signal: AbortSignal,
): ReturnType<ChangeFeed["follow"]> {
  // Following somebody is remembered of them.
  if (erasedUsers.has(userId)) throw userErased();
  return live.feed.follow(userId, cursor, AbortSignal.any([signal, draining, erasedUsers.watch(userId, signal)]));
}

/** A retry found its messages stored: the try that stored them may have died before it told anybody. */
export async function tellAgain(
  deps: Deps,
  ref: ConversationRef,
  saved: { readonly version: number; readonly messages: readonly MessageJson[] },
): Promise<void> {
  await deps.cache.changed(ref);
  tellSaved(deps, ref, saved);
}

function tellSaved(
  { live }: Deps,
  { userId }: ConversationRef,
  { version, messages }: { readonly version: number; readonly messages: readonly MessageJson[] },
  also: AppendedWithin["also"] = null,
): void {
  const ids = messages.map(idsOfMessage);
  const [first] = ids;
  if (!first) return;
  const conversation_id = first.conversationId;
  if (also === "made") live.feed.tell(userId, { type: "conversation_created", conversation_id });
  live.feed.tell(userId, {
    type: "messages_saved",
    conversation_id,
    version,
    message_ids: ids.map(({ id }) => id),
    ...(also === "replaced" && { replaced: true }),
  });
}

/**
 * Waits for any other change of a conversation, and tells the cache before anybody else is told. Also when nothing was
 * changed: an earlier try may have done it, and died before the cache was told.
 */
export async function changeConversation<Result>(
  deps: Deps,
  ref: ConversationRef,
  change: Promise<Result>,
): Promise<Result> {
  const result = await orUncertain(deps, ref, change);
  await deps.cache.changed(ref);
  return result;
}

async function orUncertain<Result>(deps: Deps, ref: ConversationRef, change: Promise<Result>): Promise<Result> {
  try {
    return await change;
  } catch (error) {
    if (mayHaveCommitted(error)) deps.cache.uncertain(ref);
    throw error;
  }
}

/** What a statement appended, and whether it also made the conversation, or took messages away for these. */
export interface AppendedWithin {
  readonly appended: Appended;
  readonly also: "made" | "replaced" | null;
}

/**
 * The same for a statement that appends among other things.
 *
 * @param appendedOf null: it appended nothing
 */
export async function appendWithin<Result>(
  deps: Deps,
  ref: ConversationRef,
  change: Promise<Result>,
  appendedOf: (result: Result) => AppendedWithin | null,
): Promise<Result> {
  const result = await orUncertain(deps, ref, change);
  const within = appendedOf(result);
  if (!within) return result;
  const { appended, also } = within;
  deps.metrics.saved(appended.messages);
  // More than a list of messages can take in: it is read anew.
  await (also === null ? deps.cache.appended(ref, appended) : deps.cache.changed(ref));
  tellSaved(deps, ref, appended, also);
  return result;
}
