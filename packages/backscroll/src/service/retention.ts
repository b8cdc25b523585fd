import { LIMITS } from "../domain/limits.ts";
import {
  type AgedConversation,
  type Aging,
  listAged,
  listUserIds,
  listUsersWithAged,
  markAgedErasing,
} from "../postgres/retention.ts";
import { claimUpkeepTask } from "../postgres/upkeep-tasks.ts";
import { createAttempts } from "./attempts.ts";
import { recorded } from "./audit.ts";
import { changeConversation } from "./changes.ts";
import { eraseMarked } from "./conversations.ts";
import type { Deps } from "./deps.ts";

const EVERY_MS = 3_600_000;
/** People looked at by one statement, and conversations listed by one. */
const BATCH = { users: 500, conversations: 100 };

/**
 * Erases for good what has been in the trash for 30 days, and, with `RETENTION_DAYS`, what nobody wrote in for so long.
 * Once an hour on one of the servers, in bounded batches. One that stops leaves the rest to the next hour.
 *
 * @param usersTogether false where a statement may not span users (Citus)
 */
export async function eraseWhatIsDue(
  deps: Deps,
  { usersTogether = true }: { usersTogether?: boolean } = {},
): Promise<void> {
  if (!(await claimUpkeepTask(deps.db, "retention", { everyMs: EVERY_MS }))) return;
  const attempt = createAttempts(deps, "what is due of a person was not erased; it is tried again in an hour");
  const { retentionDays } = deps.settings;
  const rules: Rule[] = [{ by: "trashed", days: LIMITS.trashDays }];
  if (retentionDays > 0) rules.push({ by: "said", days: retentionDays });
  const page = (after: number): Promise<readonly number[]> => listUserIds(deps.db, after, BATCH.users);
  for (let users = await page(0); users.length > 0; users = await page(users.at(-1) ?? 0)) {
    for (const rule of rules) {
      const concerned = usersTogether ? await listUsersWithAged(deps.db, users, rule) : users;
      for (const userId of concerned) await attempt(userId, () => eraseAged(deps, userId, rule));
      if (deps.stopping.aborted) return;
    }
  }
}

interface Rule {
  readonly by: Aging;
  readonly days: number;
}

async function eraseAged(deps: Deps, userId: number, rule: Rule): Promise<void> {
  for (let full = true; full;) {
    const aged = await listAged(deps.db, userId, { ...rule, limit: BATCH.conversations });
    let marked = 0;
    for (const conversation of aged) {
      if (deps.stopping.aborted) return;
      if (await eraseIfAged(deps, conversation, rule)) marked += 1;
    }
    // What was listed and not marked has changed meanwhile; none at all would be listed again.
    full = aged.length === BATCH.conversations && marked > 0;
  }
}

/** @returns whether it was still too old, and is gone */
async function eraseIfAged(deps: Deps, { ref, conversationId }: AgedConversation, rule: Rule): Promise<boolean> {
  const { userId } = ref;
  const marking = recorded(
    deps,
    (db) => markAgedErasing(db, ref, rule),
    (done) => (done ? { action: "conversation_deleted", actor: null, subjectId: userId, conversationId } : null),
  );
  if (!(await changeConversation(deps, ref, marking))) return false;
  deps.live.feed.tell(userId, { type: "conversation_deleted", conversation_id: conversationId });
  await eraseMarked(deps, ref);
  return true;
}
