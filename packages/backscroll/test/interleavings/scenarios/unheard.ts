import { cold, fail, type Scenario, warm } from "./scenario.ts";

/** Servers do not hear each other, or a COMMIT goes unheard. */
export const UNHEARD: Readonly<Record<string, Scenario>> = {
  "a call fails, and the other server did not hear of it": {
    options: { ends: fail("writer", "append") },
    before: warm,
    actors: (world) => ({
      writer: async () => {
        await world.hear("B", false);
        await world.append("A");
        await world.hear("B", true);
      },
      reader: () => world.read("B"),
    }),
  },
  "a call fails, the other server did not hear of it, and has a reader in flight": {
    options: { ends: fail("client", "append"), splitLoads: true },
    before: cold,
    actors: (world) => ({
      "reader 1": () => world.read("B"),
      client: async () => {
        await world.after("reader 1: lease");
        await world.hear("B", false);
        await world.append("A");
        await world.hear("B", true);
        await world.read("B");
      },
    }),
  },
  "a server hears nothing; two readers on it and a writer": {
    options: { splitLoads: true },
    before: async (world) => {
      await warm(world);
      await world.hear("B", false);
    },
    actors: (world) => ({
      "reader 1": () => world.read("B"),
      client: async () => {
        await world.append("A");
        await world.read("B");
        await world.read("B", 3);
      },
    }),
  },

  "a server dies between COMMIT and telling, and the client tries again": {
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.dieAfterAppend();
        await world.replay("B");
        await world.read("B");
      },
      reader: () => world.read("B"),
    }),
  },
  "nobody knows whether a COMMIT happened": {
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.appendUncertain("A");
        await world.read("A");
      },
      reader: () => world.read("B"),
    }),
  },
};
