import fc from "fast-check";
import type { Delay } from "./relay.ts";

export const SERVERS = 3;

/** What one client does next. Numbers that name something are taken modulo how many there are. */
export interface Step {
  readonly kind:
    | "read"
    | "readStrong"
    | "readPage"
    | "append"
    | "appendMany"
    | "replay"
    | "turn"
    | "edit"
    | "delete"
    | "trashAndRestore"
    | "eraseAndCreate"
    | "import";
  readonly server: number;
  readonly conversation: number;
  /** how many messages to read, or to save */
  readonly limit: number;
  readonly messages: number;
  /** which of the messages this client has saved */
  readonly nth: number;
  /** others read the conversation at the same moment */
  readonly race: boolean;
  /** how long the client waits before it, in ms */
  readonly thinkMs: number;
}

export type Fault = {
  readonly at: number;
  readonly lasts: number;
  /** nobody writes after it until everybody has read what is there now */
  readonly look: boolean;
} & (
  | {
      readonly kind: "delayRedis" | "delayPostgres";
      readonly server: number;
      readonly out: number;
      readonly back: number;
    }
  | { readonly kind: "freezeRedis" | "cutRedis" | "cutPostgres" | "crash" | "unlisten"; readonly server: number }
  | { readonly kind: "killRedis" | "rollBackRedis" | "stopRedis" | "flushRedis" | "killClients" | "starveRedis" }
  | { readonly kind: "evict"; readonly conversation: number; readonly key: "messages" | "version" | "lease" }
);

/** Everything that one seed decides. */
export interface Program {
  /** each client's steps, one after the other; the clients run side by side */
  readonly clients: readonly (readonly Step[])[];
  /** a fault begins when so many steps are done, and ends so many steps later */
  readonly faults: readonly Fault[];
  readonly settings: {
    readonly cacheMessageLimit: number;
    readonly cacheTimeoutMs: number;
    readonly cacheFillTimeoutMs: number;
  };
  /** messages in each conversation before it begins */
  readonly prefilled: number;
  /** how many of the conversations are in use: the fewer, the more often two clients meet */
  readonly conversations: number;
  /** of each server, in ms: how much later its bytes arrive than without the relays */
  readonly distances: readonly { readonly redis: Delay; readonly postgres: Delay }[];
}

export interface ProgramSize {
  readonly clients: number;
  readonly stepsEach: number;
  readonly faults: number;
  /** at most */
  readonly conversations: number;
}

function programs({ clients, stepsEach, faults, conversations }: ProgramSize): fc.Arbitrary<Program> {
  const server = fc.nat(SERVERS - 1);
  const conversation = fc.nat(1_000);
  const step: fc.Arbitrary<Step> = fc.record({
    kind: oneOf<Step["kind"]>({
      read: 24,
      readStrong: 2,
      readPage: 1,
      append: 10,
      appendMany: 4,
      replay: 2,
      turn: 3,
      edit: 7,
      delete: 4,
      trashAndRestore: 1,
      eraseAndCreate: 1,
      import: 1,
    }),
    server,
    conversation,
    limit: fc.integer({ min: 1, max: 60 }),
    messages: fc.integer({ min: 2, max: 6 }),
    nth: fc.nat(1_000),
    race: fc.boolean(),
    thinkMs: fc.nat(15),
  });
  const gentle = {
    delayRedis: 4,
    delayPostgres: 4,
    crash: 4,
    unlisten: 1,
    rollBackRedis: 7,
    flushRedis: 2,
    killClients: 2,
    evict: 8,
  };
  const rough = { freezeRedis: 4, cutRedis: 4, cutPostgres: 2, killRedis: 3, stopRedis: 3, starveRedis: 2 };
  const steps = clients * stepsEach;
  const faultOf = (kind: fc.Arbitrary<string>): fc.Arbitrary<Fault> =>
    fc
      .record({
        kind,
        at: fc.nat(Math.floor(steps * 0.85)),
        lasts: fc.integer({ min: 5, max: Math.floor(steps / 6) }),
        look: fc.boolean(),
        server,
        conversation,
        out: fc.nat(40),
        back: fc.nat(40),
        key: fc.constantFrom("messages", "version", "lease"),
      })
      .map((all) => all as Fault);
  const delay = fc.record({ out: fc.constantFrom(0, 0, 1, 3), back: fc.constantFrom(0, 0, 1, 3) });
  const far = fc.record({ out: fc.constantFrom(0, 0, 2, 5), back: fc.constantFrom(0, 2, 5, 10, 20) });
  return fc.record({
    clients: exactly(exactly(step, stepsEach), clients),
    // While Redis answers, the promise is at its strictest: some histories lose only what may always be lost.
    faults: fc.oneof(
      { weight: 1, arbitrary: exactly(faultOf(oneOf(gentle)), faults) },
      { weight: 1, arbitrary: exactly(faultOf(oneOf({ ...gentle, ...rough })), faults) },
    ),
    settings: fc.record({
      cacheMessageLimit: fc.constantFrom(3, 20, 20),
      cacheTimeoutMs: fc.constantFrom(25, 50, 100),
      cacheFillTimeoutMs: fc.constantFrom(100, 5_000),
    }),
    prefilled: fc.constantFrom(0, 2, 10, 19, 20, 21, 22, 40),
    conversations: fc.integer({ min: 1, max: conversations }),
    distances: exactly(fc.record({ redis: delay, postgres: far }), SERVERS),
  });
}

/** @returns the same program for the same seed */
export function programOf(seed: number, size: ProgramSize): Program {
  // Without bias: every seed is as rich as the others.
  const [program] = fc.sample(fc.noBias(programs(size)), { seed, numRuns: 1 });
  if (!program) throw new Error("one sample was asked for");
  return program;
}

function oneOf<Kind extends string>(weights: Readonly<Record<Kind, number>>): fc.Arbitrary<Kind> {
  const entries = Object.entries<number>(weights) as [Kind, number][];
  return fc.oneof(...entries.map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) })));
}

function exactly<Item>(item: fc.Arbitrary<Item>, length: number): fc.Arbitrary<Item[]> {
  return fc.array(item, { minLength: length, maxLength: length, size: "max" });
}
