import { loadConfig } from "../packages/backscroll/src/config.ts";
import { type BackscrollInternals, type BackscrollOptions, create } from "../packages/backscroll/src/create.ts";
import type { BenchDatabase } from "./database.ts";
import type { Seeded } from "./seed.ts";
import type { TurnLoad } from "./turns.ts";

/** What every measure is given. */
export interface Bench {
  readonly database: BenchDatabase;
  readonly backscroll: BackscrollInternals;
  readonly seeded: Seeded;
  readonly effort: Effort;
}

/** How long it takes, and how much can be told from it. */
export interface Effort {
  /** of one interleaving */
  readonly rounds: number;
  readonly roundMs: number;
  /** of ten operations each, where single operations are timed */
  readonly blocks: number;
  readonly concurrencies: readonly number[];
  /** reads of somebody else's conversation, each beside one of a missing one */
  readonly foreignPairs: number;
  readonly turnLoads: readonly TurnLoad[];
}

/** Whose history is measured: who everybody is without authentication. */
export const USER = "you@localhost";

/** About 200 bytes, the length of a usual message. */
export const CONTENT =
  "Could you tell me what the weather will be like in Bergen next week? We leave on Monday, there are four of us, " +
  "and one of us does not like rain at all. What should we pack, and is there a train?";

/** With every setting's default but those given, whatever the environment says. */
export function openBackscroll(
  url: string,
  environment: Readonly<Record<string, string>> = {},
  parts: Pick<BackscrollOptions, "authenticate" | "logger"> = {},
): Promise<BackscrollInternals> {
  return create(loadConfig({ DATABASE_URL: url, LOG_LEVEL: "silent", ...environment }), parts);
}

/** Progress, for whoever waits. */
export function say(text: string): void {
  process.stderr.write(`${Math.round(performance.now() / 1000)} s  ${text}\n`);
}
