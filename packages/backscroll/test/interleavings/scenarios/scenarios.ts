import { COUNTS } from "../counts.ts";
import { FAILING } from "./failing.ts";
import { FORGETFUL } from "./forgetful.ts";
import { HEALTHY } from "./healthy.ts";
import { RESTARTING } from "./restarting.ts";
import type { Scenario } from "./scenario.ts";
import { UNHEARD } from "./unheard.ts";

/** All of them, the small ones first: what they find is the easiest to read. */
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map(
  Object.entries({ ...HEALTHY, ...FORGETFUL, ...FAILING, ...UNHEARD, ...RESTARTING }).toSorted(
    ([a], [b]) => (COUNTS[a] ?? Infinity) - (COUNTS[b] ?? Infinity),
  ),
);
