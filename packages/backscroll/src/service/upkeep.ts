import { errorMessage } from "../domain/errors.ts";
import { deleteExpiredIdempotencyKeys } from "../postgres/idempotency.ts";
import { deleteExpiredLogins } from "../postgres/logins.ts";
import { finishErasures } from "./conversations.ts";
import type { Deps } from "./deps.ts";
import { forgetExpiredSessions } from "./sessions.ts";
import { eraseWhatIsDue } from "./retention.ts";

const INTERVAL_MS = 60_000;

/** What nobody waits for: safe on many servers at once. */
export function startUpkeep(deps: Deps): { stop(): Promise<void> } {
  const run = async (): Promise<void> => {
    try {
      await finishErasures(deps);
      await eraseWhatIsDue(deps);
      while ((await deleteExpiredIdempotencyKeys(deps.db, 1_000)) === 1_000);
      while ((await deleteExpiredLogins(deps.db, 1_000)) === 1_000);
      await forgetExpiredSessions(deps);
    } catch (error) {
      if (!deps.stopping.aborted)
        deps.log.warn({ error: errorMessage(error) }, "upkeep failed; it runs again in a minute");
    }
  };
  let running = run();
  const timer = setInterval(() => {
    running = running.then(run);
  }, INTERVAL_MS).unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
