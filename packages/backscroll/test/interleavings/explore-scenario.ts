import { chooseTimers } from "./actor.ts";
import { explore, type Explored } from "./explorer.ts";
import type { Lab } from "./lab.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { World } from "./world.ts";

/** Runs all interleavings of a scenario, or until one fails. */
export async function exploreScenario(lab: Lab, { options = {}, before, actors }: Scenario): Promise<Explored> {
  const restoreTimers = chooseTimers();
  try {
    return await explore(async (schedule, prefix) => {
      const world = new World(lab, schedule, options);
      try {
        if (before) {
          world.act("before", () => before(world));
          await schedule.runOut();
          schedule.trace.length = 0;
        }
        world.begin();
        for (const [name, act] of Object.entries(actors(world))) world.act(name, act);
        await schedule.follow(prefix);
        await world.end();
      } finally {
        await world.remove();
      }
    });
  } finally {
    restoreTimers();
  }
}
