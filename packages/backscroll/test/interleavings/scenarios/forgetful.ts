import type { KeyName } from "../conversation-keys.ts";
import { cold, type Scenario, warm } from "./scenario.ts";

const writeTwiceWhile = (key?: KeyName): Scenario => ({
  before: warm,
  actors: (world) => ({
    writer: async () => {
      await world.append("A");
      await world.append("A");
    },
    reader: () => world.read("B"),
    Redis: () => world.lose(key),
  }),
});

const fillWhile = (key?: KeyName): Scenario => ({
  before: cold,
  actors: (world) => ({
    writer: () => world.append("A"),
    reader: () => world.read("B"),
    Redis: () => world.lose(key),
  }),
});

/** Keys expire, are evicted, or all of them go. */
export const FORGETFUL: Readonly<Record<string, Scenario>> = {
  "the list goes, a writer and a reader of a warm conversation": writeTwiceWhile("messages"),
  "the version goes, a writer and a reader of a warm conversation": writeTwiceWhile("version"),
  "the lease goes, a writer and a reader of a warm conversation": writeTwiceWhile("lease"),
  "everything goes, a writer and a reader of a warm conversation": writeTwiceWhile(),
  "the list goes, a writer and a reader of a cold conversation": fillWhile("messages"),
  "the version goes, a writer and a reader of a cold conversation": fillWhile("version"),
  "the lease goes, a writer and a reader of a cold conversation": fillWhile("lease"),
  "everything goes, a writer and a reader of a cold conversation": fillWhile(),
  "the list is gone and its version is not, two writers and a reader": {
    before: async (world) => {
      await warm(world);
      await world.lose("messages");
    },
    actors: (world) => ({
      "writer 1": () => world.append("A"),
      "writer 2": () => world.append("B"),
      reader: () => world.read("B"),
    }),
  },
};
