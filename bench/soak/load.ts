import { parentPort } from "node:worker_threads";
import { startAgent } from "./agent.ts";
import { CallFailure, open } from "./caller.ts";
import { Latencies, type LatencySummary } from "./latencies.ts";
import { type Operation, People } from "./people.ts";

// Runs in a thread of its own: the event loops of the service and of what samples it do not ask.

/** What the thread is told; it answers each with one message. */
export type LoadCommand =
  /** Serves the agent. @returns its URL */
  | { readonly do: "serve the agent" }
  | { readonly do: "begin"; readonly url: string; readonly tokens: readonly string[]; readonly conversations: number }
  /** One request after another in so many places. @returns requests a second */
  | { readonly do: "ramp"; readonly concurrency: number; readonly ms: number }
  /** Requests at a fixed rate from now on, however long they take. */
  | { readonly do: "hold"; readonly perSecond: number }
  /** @returns Taken */
  | { readonly do: "take" }
  /** Starts nothing more, and waits for what is under way. @returns Ended */
  | { readonly do: "end" }
  /** Reads everything. @returns Verified */
  | { readonly do: "verify" };

/** What happened since the last time it was taken. */
export interface Taken {
  readonly all: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
  readonly eventStreams: number;
}

/** What happened while the rate was held. */
export interface Ended {
  readonly operations: Readonly<Partial<Record<Operation, LatencySummary>>>;
  readonly errors: Readonly<Record<string, number>>;
}

export type Verified = Awaited<ReturnType<People["verify"]>>;

/** More under way than this: the service does not keep up, and one more is an error. */
const UNDER_WAY_MAX = 2_000;
const STREAMS_A_PERSON = 2;

let people: People | undefined;
let window = new Latencies();
let windowErrors = new Map<string, number>();
let operations = new Map<Operation, Latencies>();
let errors = new Map<string, number>();
let timer: NodeJS.Timeout | undefined;
let isEnding = false;
let openStreams = 0;
const underWay = new Set<Promise<void>>();

function countError(kind: string): void {
  errors.set(kind, (errors.get(kind) ?? 0) + 1);
  windowErrors.set(kind, (windowErrors.get(kind) ?? 0) + 1);
}

function forget(): void {
  [operations, errors, window, windowErrors] = [new Map(), new Map(), new Latencies(), new Map()];
}

async function begin({ url, tokens, conversations }: LoadCommand & { do: "begin" }): Promise<void> {
  people = new People({
    url,
    tokens,
    conversations,
    onTime(operation, ms) {
      window.add(ms);
      let own = operations.get(operation);
      if (!own) operations.set(operation, (own = new Latencies()));
      own.add(ms);
    },
    onWrong: countError,
  });
  await people.begin();
  for (const token of tokens) {
    for (let nth = 0; nth < STREAMS_A_PERSON; nth += 1) void listen(url, token);
  }
}

/** Holds an event stream open, as a tab does. */
async function listen(url: string, token: string): Promise<void> {
  try {
    const stream = await open(url, { method: "GET", path: "/api/events", token });
    openStreams += 1;
    stream.resume();
    stream.on("close", () => {
      openStreams -= 1;
      if (!isEnding) countError("an event stream ended");
    });
    stream.on("error", () => undefined); // "close" follows
  } catch (error) {
    countError(kindOf(error));
  }
}

function kindOf(error: unknown): string {
  if (error instanceof CallFailure) return error.message;
  throw error;
}

/** @returns null for a turn: it takes its agent's time, and keeps nobody else from asking */
function launch(dueAt: number): Promise<void> | null {
  if (!people) throw new Error("nobody has begun");
  const { isTurn, done } = people.next(dueAt);
  const work = done.catch((error: unknown) => countError(kindOf(error))).finally(() => underWay.delete(work));
  underWay.add(work);
  return isTurn ? null : work;
}

async function ramp({ concurrency, ms }: { concurrency: number; ms: number }): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  const work = async (): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      await launch(performance.now());
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return (done / (performance.now() - startedAt)) * 1_000;
}

function hold(perSecond: number): void {
  forget();
  const startedAt = performance.now();
  let started = 0;
  timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000);
    for (; started < due; started += 1) {
      if (underWay.size < UNDER_WAY_MAX) void launch(startedAt + (started * 1_000) / perSecond);
      else countError(`not sent: ${UNDER_WAY_MAX} requests wait`);
    }
  }, 1);
}

async function end(): Promise<Ended> {
  clearInterval(timer);
  await Promise.all(underWay);
  isEnding = true;
  const summaries = [...operations].map(([operation, latencies]) => [operation, latencies.summary()]);
  return { operations: Object.fromEntries(summaries), errors: Object.fromEntries(errors) };
}

function take(): Taken {
  const taken = { all: window.summary(), errors: Object.fromEntries(windowErrors), eventStreams: openStreams };
  window = new Latencies();
  windowErrors = new Map();
  return taken;
}

async function obey(command: LoadCommand): Promise<unknown> {
  switch (command.do) {
    case "serve the agent":
      return startAgent();
    case "begin":
      return begin(command);
    case "ramp":
      return ramp(command);
    case "hold":
      return hold(command.perSecond);
    case "take":
      return take();
    case "end":
      return end();
    case "verify":
      return people?.verify();
  }
}

parentPort?.on("message", (command: LoadCommand) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  void obey(command).then((answer) => parentPort?.postMessage(answer));
});
