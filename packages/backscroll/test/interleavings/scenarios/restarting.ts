import { cold, type Scenario, warm } from "./scenario.ts";

/** Redis comes back with something old. */
export const RESTARTING: Readonly<Record<string, Scenario>> = {
  "Redis comes back with something old, a writer and a reader": {
    before: warm,
    actors: (world) => ({
      Redis: async () => {
        await world.save();
        await world.restart();
      },
      client: async () => {
        await world.append("A");
        await world.read("B");
      },
    }),
  },
  "Redis comes back with something old, and two readers on one server": {
    before: async (world) => {
      await warm(world);
      await world.save();
      await world.append("A");
    },
    actors: (world) => ({
      Redis: () => world.restart(),
      "reader 1": () => world.read("B"),
      "reader 2": () => world.read("B"),
    }),
  },
  "Redis comes back with something old while a reader checks, and another reader": {
    before: async (world) => {
      await warm(world);
      await world.save();
      await world.append("A");
      await world.hear("B", false);
      await world.hear("B", true);
    },
    actors: (world) => ({
      "reader 1": () => world.read("B"),
      "reader 2": async () => {
        await world.after("reader 1: read");
        await world.read("B");
      },
      Redis: async () => {
        await world.after("reader 1: read");
        await world.restart();
      },
    }),
  },
  "Redis comes back with something old while a reader checks, and another reader's lease goes": {
    before: async (world) => {
      await warm(world);
      await world.save();
      await world.append("A");
      await world.hear("B", false);
      await world.hear("B", true);
    },
    actors: (world) => ({
      "reader 1": () => world.read("B"),
      "reader 2": async () => {
        await world.after("Redis: restarts with what it saved");
        await world.read("B");
      },
      Redis: async () => {
        await world.after("reader 1: version");
        await world.restart();
        await world.after("reader 2: lease");
        await world.lose("lease");
      },
    }),
  },
  "Redis has come back with something old; while a reader checks, another message is written and read": {
    before: async (world) => {
      await warm(world);
      await world.save();
      await world.append("A");
      await world.restart();
    },
    actors: (world) => ({
      reader: () => world.read("A"),
      client: async () => {
        await world.after("reader: read");
        await world.append("B");
        await world.read("B");
      },
    }),
  },
  "Redis has come back with something old, and two readers on two servers": {
    isLarge: true,
    before: async (world) => {
      await warm(world);
      await world.save();
      await world.append("A");
      await world.restart();
    },
    actors: (world) => ({
      "reader 1": () => world.read("A"),
      "reader 2": async () => {
        await world.after("reader 1: read");
        await world.read("B");
      },
    }),
  },
  "Redis comes back with the lease of a reader in flight": {
    options: { splitLoads: true },
    before: cold,
    actors: (world) => ({
      "reader 1": () => world.read("A"),
      client: async () => {
        await world.after("reader 1: lease");
        await world.save();
        await world.append("B");
        await world.restart();
        await world.read("A");
      },
    }),
  },
  "Redis comes back with the lease of a reader in flight, while another asks for it": {
    options: { splitLoads: true },
    before: cold,
    actors: (world) => ({
      "reader 1": () => world.read("A"),
      client: async () => {
        await world.after("reader 1: lease");
        await world.save();
        await world.append("B");
        await world.read("A");
      },
      Redis: async () => {
        await world.after("client: begins");
        await world.restart();
      },
    }),
  },
  "Redis comes back with a deleted conversation, and forgets its version": {
    before: async (world) => {
      await warm(world);
      await world.save();
      await world.change("A", "trash");
    },
    actors: (world) => ({
      Redis: async () => {
        await world.restart();
        await world.lose("version");
      },
      reader: async () => {
        await world.read("B");
        await world.read("B");
      },
    }),
  },
};
