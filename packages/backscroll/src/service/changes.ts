import type { ConversationRef } from "../domain/conversation.ts";
import type { NewMessage } from "../domain/message.ts";
import type { Appended, AppendResult } from "../postgres/append.ts";
import { mayHaveCommitted } from "../postgres/pool.ts";
import type { Appender } from "./appender.ts";
import type { Deps } from "./deps.ts";

/** Appends messages; resolves once PostgreSQL has committed them and the cache has been told. */
export async function appendMessages(
  deps: Deps,
  ref: ConversationRef,
  messages: readonly NewMessage[],
  append: Appender = deps.appender,
): Promise<AppendResult> {
  const appended = await orUncertain(deps, ref, append(ref, messages));
  if (typeof appended !== "string") await deps.cache.appended(ref, appended);
  return appended;
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

/**
 * The same for a statement that appends among other things.
 *
 * @param appendedOf `changed`: it did more than append; null: it did nothing
 */
export async function appendWithin<Result>(
  deps: Deps,
  ref: ConversationRef,
  change: Promise<Result>,
  appendedOf: (result: Result) => Appended | "changed" | null,
): Promise<Result> {
  const result = await orUncertain(deps, ref, change);
  const appended = appendedOf(result);
  if (appended === "changed") await deps.cache.changed(ref);
  else if (appended) await deps.cache.appended(ref, appended);
  return result;
}
