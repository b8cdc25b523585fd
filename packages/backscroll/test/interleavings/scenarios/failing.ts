import { cold, fail, mayFail, type Scenario, warm } from "./scenario.ts";

/** Calls to Redis fail. */
export const FAILING: Readonly<Record<string, Scenario>> = {
  "a writer's call fails, and a reader on the same server": {
    options: { ends: mayFail("client", "append") },
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.append("A");
        await world.read("A");
      },
    }),
  },
  "a writer's call fails, and a reader on the other server": {
    options: { ends: mayFail("writer", "append") },
    before: warm,
    actors: (world) => ({ writer: () => world.append("A"), reader: () => world.read("B") }),
  },
  "an editor's call fails, and a reader on the same server": {
    options: { ends: mayFail("client", "invalidate") },
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.change("A", "edit");
        await world.read("A");
      },
    }),
  },
  "a deleter's call fails, and a reader on the other server": {
    isLarge: true,
    options: { ends: mayFail("deleter", "invalidate") },
    before: warm,
    actors: (world) => ({ deleter: () => world.change("A", "trash"), reader: () => world.read("B") }),
  },
  "a reader's calls fail, and a writer": {
    options: { ends: mayFail("reader", "read", "lease", "fill") },
    before: cold,
    actors: (world) => ({ writer: () => world.append("A"), reader: () => world.read("B") }),
  },
  "a call fails, and so does its repair": {
    options: { ends: fail("client", "append", "invalidate"), faultsMax: 2 },
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.append("A");
        await world.read("A");
      },
    }),
  },
  "a call fails while the repair of another one is under way": {
    options: { ends: fail("client", "append"), faultsMax: 2, split: (call) => call === "invalidate", hearLast: true },
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.append("A");
        await world.read("B");
        await world.append("A");
        await world.read("A");
      },
    }),
  },
  "a call fails, more are dirty than are remembered, and a reader in flight": {
    options: { ends: fail("client", "append"), dirtyMax: 0, hearLast: true },
    before: cold,
    actors: (world) => ({
      reader: () => world.read("B"),
      client: async () => {
        await world.after("reader: lease");
        await world.append("A");
        await world.read("A");
      },
    }),
  },
  "a call fails, more are dirty than are remembered, and dropping everything fails": {
    options: { ends: fail("client", "append", "scan"), dirtyMax: 0, faultsMax: 2, hearLast: true },
    before: warm,
    actors: (world) => ({
      client: async () => {
        await world.append("A");
        await world.read("A");
      },
    }),
  },
  "a call fails while everything is being dropped for another one": {
    options: { ends: fail("client", "append"), dirtyMax: 0, faultsMax: 2, hearLast: true },
    before: cold,
    isLarge: true,
    actors: (world) => ({
      client: async () => {
        await world.append("A");
        await world.read("B");
        await world.append("A");
        await world.read("A");
      },
    }),
  },
};
