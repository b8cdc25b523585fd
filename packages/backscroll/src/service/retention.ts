import { LIMITS } from "../domain/limits.ts";
import { listUserIds, markTrashErasing, markUnusedErasing } from "../postgres/retention.ts";
import { claimUpkeepTask } from "../postgres/upkeep-tasks.ts";
import { finishErasures } from "./conversations.ts";
import type { Deps } from "./deps.ts";

const EVERY_MS = 3_600_000;
/** People looked at by one statement, and conversations marked by one. */
const BATCH = { users: 200, conversations: 100 };

/**
 * Erases for good what has been in the trash for 30 days, and, with `RETENTION_DAYS`, what nobody wrote in for so long.
 * Once an hour on one of the servers, in bounded batches; what one that stops has marked, the next one erases.
 */
export async function eraseWhatIsDue(deps: Deps): Promise<void> {
  if (!(await claimUpkeepTask(deps.db, "retention", { everyMs: EVERY_MS }))) return;
  const page = (afterId: number): Promise<readonly number[]> => listUserIds(deps.db, { afterId, limit: BATCH.users });
  for (let users = await page(0); users.length > 0; users = await page(users.at(-1) ?? 0)) {
    await eraseAll(deps, (limit) => markTrashErasing(deps.db, users, { days: LIMITS.trashDays, limit }));
    const days = deps.settings.retentionDays;
    if (days > 0) await eraseAll(deps, (limit) => markUnusedErasing(deps.db, users, { days, limit }));
    if (deps.stopping.aborted) return;
  }
}

/** A batch leaves before the next is marked: what is marked is invisible, but there. */
async function eraseAll(deps: Deps, mark: (limit: number) => Promise<number>): Promise<void> {
  while (!deps.stopping.aborted) {
    const marked = await mark(BATCH.conversations);
    if (marked > 0) await finishErasures(deps);
    if (marked < BATCH.conversations) return;
  }
}
