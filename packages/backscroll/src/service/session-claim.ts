import { DEFAULT_TITLE } from "../domain/conversation.ts";
import { cachedAs } from "../domain/session.ts";
import { violates } from "../postgres/pool.ts";
import { claimSession } from "../postgres/sessions.ts";
import { changeConversation } from "./changes.ts";
import type { Deps } from "./deps.ts";
import { toRef } from "./messages.ts";
import { type FoundSession, hasExpired, type SessionName, toSessionRef } from "./sessions.ts";

/**
 * Makes a conversation and gives it to a session, unless somebody has changed the session since it was read.
 *
 * @returns false: it was changed
 */
export async function claimForSession(
  deps: Deps,
  at: SessionName,
  { conversationId, found }: { conversationId: string; found: FoundSession | null },
): Promise<boolean | "made before"> {
  const ref = toSessionRef(at);
  const conversation = toRef({ userId: at.userId, conversationId });
  const change = claimSession(deps.db, ref, {
    conversationId: conversation.id,
    title: DEFAULT_TITLE,
    seenVersion: found?.version ?? null,
    anew: found !== null && hasExpired(found.session),
    days: deps.settings.sessionDays,
  });
  try {
    const claimed = await changeConversation(deps, cachedAs(ref), changeConversation(deps, conversation, change));
    if (claimed) deps.live.feed.tell(at.userId, { type: "conversation_created", conversation_id: conversationId });
    return claimed;
  } catch (error) {
    if (violates(error, "conversations_pkey")) return "made before";
    throw error;
  }
}
