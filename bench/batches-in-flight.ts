import { registerHooks } from "node:module";
import type { createAppender } from "../packages/backscroll/src/service/appender.ts";

interface AppenderModule {
  readonly createAppender: typeof createAppender;
}

/**
 * The service's appender with another number of batches in flight. It is a constant there, since nobody should have
 * to set it: this loads a second copy of the file with the constant replaced, so that its choice stays measured.
 *
 * @throws {Error} when the constant is not in the file any more
 */
export async function appenderWith(batchesInFlight: number): Promise<AppenderModule> {
  const url = new URL(`../packages/backscroll/src/service/appender.ts?inFlight=${batchesInFlight}`, import.meta.url)
    .href;
  const hooks = registerHooks({
    load(wanted, context, nextLoad) {
      const loaded = nextLoad(wanted, context);
      if (wanted !== url) return loaded;
      const source =
        typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source ?? undefined);
      const changed = source.replace(/const BATCHES_IN_FLIGHT = \d+;/, `const BATCHES_IN_FLIGHT = ${batchesInFlight};`);
      if (!changed.includes(`const BATCHES_IN_FLIGHT = ${batchesInFlight};`)) {
        throw new Error("service/appender.ts has no BATCHES_IN_FLIGHT to replace");
      }
      return { ...loaded, source: changed };
    },
  });
  try {
    return (await import(url)) as AppenderModule;
  } finally {
    hooks.deregister();
  }
}
