import { cold, type Scenario, warm, whole } from "./scenario.ts";

/** Redis does what it is asked. */
export const HEALTHY: Readonly<Record<string, Scenario>> = {
  "a writer and a reader of a cold conversation": {
    before: cold,
    actors: (world) => ({ writer: () => world.append("A"), reader: () => world.read("B") }),
  },
  "a writer and a reader of a warm conversation": {
    before: warm,
    actors: (world) => ({ writer: () => world.append("A"), reader: () => world.read("B") }),
  },
  "two writers and a reader of a cold conversation": {
    before: cold,
    actors: (world) => ({
      "writer 1": () => world.append("A"),
      "writer 2": () => world.append("B"),
      reader: () => world.read("A"),
    }),
  },
  "two writers and a reader of a whole, cached conversation": {
    before: whole,
    actors: (world) => ({
      "writer 1": () => world.append("A"),
      "writer 2": () => world.append("B", 2),
      reader: () => world.read("A"),
    }),
  },
  "a writer, an editor and a reader of a cold conversation": {
    before: cold,
    actors: (world) => ({
      writer: () => world.append("A"),
      editor: () => world.change("B", "edit"),
      reader: () => world.read("A"),
    }),
  },
  "a writer, an editor and a reader of a warm conversation": {
    before: warm,
    actors: (world) => ({
      writer: () => world.append("A"),
      editor: () => world.change("B", "edit"),
      reader: () => world.read("A"),
    }),
  },
  "a deleter and a reader in flight": {
    before: cold,
    actors: (world) => ({ deleter: () => world.change("A", "trash"), reader: () => world.read("B") }),
  },
  "trash, restore and a reader": {
    before: warm,
    actors: (world) => ({
      deleter: async () => {
        await world.change("A", "trash");
        await world.change("A", "restore");
      },
      reader: async () => {
        await world.read("B");
        await world.read("B");
      },
    }),
  },
  "erased, made again with the same id, and a reader": {
    before: warm,
    actors: (world) => ({
      eraser: () => world.change("A", "erase"),
      creator: async () => {
        await world.change("B", "create");
        await world.append("B");
      },
      reader: () => world.read("B"),
    }),
  },
  "two readers on one server, of different limits": {
    options: { splitLoads: true },
    before: cold,
    actors: (world) => ({
      "reader 1": () => world.read("A"),
      "reader 2": () => world.read("A", 3),
    }),
  },
  "a reader in flight, a writer, then a reader on the same server": {
    options: { splitLoads: true },
    before: cold,
    actors: (world) => ({
      "reader 1": () => world.read("A"),
      client: async () => {
        await world.append("B");
        await world.read("A");
      },
    }),
  },
  "two readers on two servers": {
    before: cold,
    actors: (world) => ({ "reader 1": () => world.read("A"), "reader 2": () => world.read("B") }),
  },
  "two readers on two servers and a writer": {
    before: cold,
    isLarge: true,
    actors: (world) => ({
      "reader 1": () => world.read("A"),
      "reader 2": () => world.read("B"),
      writer: () => world.append("A"),
    }),
  },
  "limits above the cached ones": {
    before: warm,
    actors: (world) => ({
      writer: () => world.append("A"),
      reader: () => world.read("A", 3),
      other: () => world.read("B", 1),
    }),
  },
  "limits above the cached ones, of a whole conversation": {
    before: whole,
    actors: (world) => ({
      writer: () => world.append("A", 2),
      reader: () => world.read("A", 3),
      other: () => world.read("B", 1),
    }),
  },
};
