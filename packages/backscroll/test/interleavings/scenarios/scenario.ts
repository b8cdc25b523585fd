import type { Call, Ends } from "../chosen-link.ts";
import type { World, WorldOptions } from "../world.ts";

/** A small set of people and mishaps; every order of their steps is run. */
export interface Scenario {
  readonly options?: WorldOptions;
  /** what has happened already, in one order */
  readonly before?: (world: World) => Promise<void>;
  readonly actors: (world: World) => Readonly<Record<string, () => Promise<void>>>;
  /** too many orders for every run of the tests */
  readonly isLarge?: boolean;
}

/** Four messages, of which a hit may show two: a full list, which both servers trust. */
export async function warm(world: World): Promise<void> {
  await world.append("A", 4);
  await world.read("A");
  await world.read("B");
}

/** Nothing is cached; what will be, both servers trust. */
export async function cold(world: World): Promise<void> {
  await warm(world);
  await world.lose();
}

/** A whole conversation of one message, which both servers trust. */
export async function whole(world: World): Promise<void> {
  await world.append("A");
  await world.read("A");
  await world.read("B");
}

/** These calls of theirs may fail, in every way. */
export function mayFail(who: string, ...calls: readonly Call[]): Ends {
  return (call, actor) => (actor === who && calls.includes(call) ? ["done", "lost", "unheard", "late"] : undefined);
}

/** These calls of theirs fail, without being done. */
export function fail(who: string, ...calls: readonly Call[]): Ends {
  return (call, actor) => (actor === who && calls.includes(call) ? ["lost"] : undefined);
}
