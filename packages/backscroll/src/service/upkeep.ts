import { logText } from "../domain/logged-error.ts";
import { deleteExpiredIdempotencyKeys } from "../postgres/idempotency.ts";
import { deleteExpiredLogins } from "../postgres/logins.ts";
import type { Queryable } from "../postgres/pool.ts";
import { deleteOldErasures } from "../postgres/users.ts";
import { finishErasures } from "./conversations.ts";
import type { Deps } from "./deps.ts";
import { finishUserErasures, forgetErasedUsers } from "./erase-user.ts";
import { eraseWhatIsDue } from "./retention.ts";
import { forgetExpiredSessions } from "./sessions.ts";

const INTERVAL_MS = 60_000;
const BATCH = 1_000;

interface Upkeep {
  /** settles, and never fails, when everything was looked after once */
  readonly firstRound: Promise<void>;
  stop(): Promise<void>;
}

/**
 * What nobody waits for: safe on many servers at once.
 *
 * @param usersTogether false where a statement may not span users (Citus)
 */
export function startUpkeep(deps: Deps, { usersTogether }: { usersTogether: boolean }): Upkeep {
  const tasks: readonly (() => Promise<void>)[] = [
    () => forgetErasedUsers(deps),
    () => finishUserErasures(deps),
    () => finishErasures(deps),
    () => eraseWhatIsDue(deps, { usersTogether }),
    () => inBatches(deps, deleteExpiredIdempotencyKeys),
    () => inBatches(deps, deleteExpiredLogins),
    () => inBatches(deps, deleteOldErasures),
    () => forgetExpiredSessions(deps),
  ];
  const run = async (): Promise<void> => {
    for (const task of tasks) {
      // One that fails keeps no other from its work.
      await task().catch((error: unknown) => {
        if (!deps.stopping.aborted)
          deps.log.warn({ error: logText(error) }, "upkeep failed; it runs again in a minute");
      });
      if (deps.stopping.aborted) return;
    }
  };
  const firstRound = run();
  let running = firstRound;
  const timer = setInterval(() => {
    running = running.then(run);
  }, INTERVAL_MS).unref();
  return {
    firstRound,
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

/** @param deleteSome deletes as many as it may, and says how many those were */
async function inBatches(
  { db, stopping }: Deps,
  deleteSome: (db: Queryable, limit: number) => Promise<number>,
): Promise<void> {
  while ((await deleteSome(db, BATCH)) === BATCH && !stopping.aborted);
}
