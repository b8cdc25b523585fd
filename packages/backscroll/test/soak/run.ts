import { setTimeout as pause } from "node:timers/promises";
import { checkFinalReads, readAll, wrongInRedis } from "./afterwards.ts";
import { check, type Violation } from "./checker.ts";
import { Client, type Stage } from "./client.ts";
import { type FaultyWorld, keyOf, makeFaults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { Gate } from "./gate.ts";
import { Health } from "./health.ts";
import { Observations } from "./observations.ts";
import { type Program, programOf, SERVERS } from "./program.ts";
import { type RedisControl, startRedisControl } from "./redis-control.ts";
import { createSchema, type Schema } from "./schema.ts";
import type { Counters } from "./server.ts";
import { Steps } from "./steps.ts";
import { type ConversationOfRun, readHistory } from "./true-history.ts";

export interface RunOptions {
  /** of a PostgreSQL to make a schema in for each seed, and to drop it again */
  readonly databaseUrl: string;
  /** the program that starts a Redis */
  readonly redisServer: string;
  /** true: each server is a process of its own. Slower; everybody is then the same user */
  readonly processes: boolean;
}

export interface Report {
  readonly seed: number;
  readonly ms: number;
  readonly reads: number;
  /** of them, those for which a change on another server had to be seen */
  readonly readsBoundByOthers: number;
  readonly changes: number;
  readonly slowestReadMs: number;
  /** what the servers counted, all together */
  readonly counters: Counters;
  readonly violations: readonly Violation[];
  /** what happened to the conversation before the first violation, for people; empty when there is none */
  readonly story: string;
}

const AUDIT_INTERVAL_MS = 100;
/** An audit begins with a hit after its interval, and takes a few calls with their deadlines. */
const AUDIT_TAKES_MS = 300;
const RECOVER_MS_MAX = 10_000;
const LOOK_MS_MAX = 700;
const LOOK_PAUSE_MS = 15;
const STORY_LINES = 200;
const SIZE = { clients: 6, stepsEach: 30, faults: 5 };

const CONVERSATIONS: readonly ConversationOfRun[] = [
  { user: "ada", id: "same-name" },
  { user: "bob", id: "same-name" },
  { user: "ada", id: "0b0e7d5a-6f3c-4c58-9c0e-2f8f6f0f5a11" },
];
/** Without authentication everybody is this one. */
const CONVERSATIONS_OF_ONE: readonly ConversationOfRun[] = [
  { user: "you@localhost", id: "one" },
  { user: "you@localhost", id: "two" },
];

/** Runs what this seed says against real servers, and checks everything that anybody saw. */
export async function runSeed(seed: number, { databaseUrl, redisServer, processes }: RunOptions): Promise<Report> {
  const startedAt = performance.now();
  const known = processes ? CONVERSATIONS_OF_ONE : CONVERSATIONS;
  const program = programOf(seed, { ...SIZE, conversations: known.length });
  const schema = await createSchema(databaseUrl, seed);
  const redis = await startRedisControl(redisServer);
  const run = new Run(program, known.slice(0, program.conversations), { redis, schema, processes });
  try {
    await run.begin();
    await run.play();
    const late = await run.settle();
    const found = await run.check();
    const violations = [...found.violations, ...late];
    const story = violations[0] ? run.story(violations[0]) : "";
    return { ...found, violations, story, seed, ms: performance.now() - startedAt };
  } finally {
    await run.end();
    await redis.close();
    await schema.drop();
  }
}

class Run {
  readonly #program: Program;
  readonly #conversations: readonly ConversationOfRun[];
  readonly #redis: RedisControl;
  readonly #schema: Schema;
  readonly #health = new Health(AUDIT_INTERVAL_MS + AUDIT_TAKES_MS);
  readonly #fleet: Fleet;
  readonly #observations = new Observations();
  readonly #steps = new Steps();
  readonly #gate = new Gate();
  readonly #outages: { readonly server: string; readonly from: number; to: number }[] = [];
  #users: ReadonlyMap<string, number> = new Map();

  constructor(
    program: Program,
    conversations: readonly ConversationOfRun[],
    { redis, schema, processes }: { redis: RedisControl; schema: Schema; processes: boolean },
  ) {
    this.#program = program;
    this.#conversations = conversations;
    this.#redis = redis;
    this.#schema = schema;
    const settings = { ...program.settings, cacheAuditIntervalMs: AUDIT_INTERVAL_MS };
    const surroundings = { databaseUrl: schema.databaseUrl, redisPort: redis.port, settings, processes };
    this.#fleet = new Fleet(surroundings, program.distances, this.#health);
  }

  async begin(): Promise<void> {
    await this.#fleet.start();
    const first = new Client(this.#stage(), "first");
    for (const [nth, conversation] of this.#conversations.entries()) {
      await first.create(nth, conversation, `create${nth}`);
      if (this.#program.prefilled > 0) await first.append(nth, conversation, `fill${nth}`, this.#program.prefilled);
    }
    this.#users = await this.#schema.users();
  }

  /** The clients work side by side while the faults happen. */
  async play(): Promise<void> {
    const { clients, faults } = this.#program;
    const faulty = makeFaults(this.#world(), faults);
    await Promise.all(
      clients.map(async (steps, index) => {
        const client = new Client(this.#stage(), String.fromCodePoint(97 + index));
        for (const [nth, step] of steps.entries()) {
          await pause(step.thinkMs);
          await this.#gate.enter();
          await client.take(step, nth);
          this.#gate.leave();
          this.#steps.oneMore();
        }
      }),
    );
    this.#steps.end();
    await faulty;
    this.#fleet.heal();
  }

  /** Waits until everybody has recovered, and reads everything once more. @returns what did not become right */
  async settle(): Promise<readonly Violation[]> {
    const unrecovered = await this.#health.allRecovered(RECOVER_MS_MAX);
    this.#observations.tell("*** everybody has recovered");
    const about = { rule: "7: what failed is repaired", conversation: "", at: performance.now() };
    const { cacheMessageLimit } = this.#program.settings;
    const last = new Client(this.#stage(), "last");
    const wrong = await readAll(last, this.#observations.reads, this.#conversations, cacheMessageLimit);
    return [...unrecovered.map((name) => ({ ...about, text: `${name} did not recover` })), ...wrong];
  }

  async check(): Promise<Omit<Report, "seed" | "ms" | "story">> {
    const { reads, acknowledgements } = this.#observations;
    const history = await readHistory(this.#schema.client, this.#users, this.#conversations);
    const { violations, readsBoundByOthers } = check(this.#observations, history, this.#health, (server, begin, end) =>
      this.#outages.some((outage) => outage.server === server && outage.from <= end && outage.to >= begin),
    );
    const cached: Violation[] = [];
    for (const [nth, [conversation, states]] of [...history].entries()) {
      const last = states.at(-1);
      if (!last) continue;
      const key = (name: "messages" | "version"): string => keyOf(this.#world(), nth, name);
      const text = await wrongInRedis(this.#redis, key, last, this.#program.settings.cacheMessageLimit);
      const about = { rule: "8: what is cached is PostgreSQL's", conversation, at: performance.now() };
      if (text !== undefined) cached.push({ ...about, text });
    }
    return {
      violations: [...violations, ...checkFinalReads(reads, history), ...cached].toSorted((a, b) => a.at - b.at),
      reads: reads.length,
      readsBoundByOthers,
      changes: acknowledgements.length,
      slowestReadMs: Math.max(...reads.map(({ begin, end }) => end - begin)),
      counters: await this.#fleet.totals(),
    };
  }

  story({ conversation, at }: Violation): string {
    const { clients: _, ...program } = this.#program;
    const lines = this.#observations.storyOf(conversation, at).slice(-STORY_LINES);
    return [JSON.stringify(program), ...lines].join("\n");
  }

  async end(): Promise<void> {
    this.#health.stop();
    await this.#fleet.close();
  }

  #stage(): Stage {
    return {
      server: (place) => this.#fleet.at(place),
      conversations: this.#conversations,
      observations: this.#observations,
      answered: (server, askedAt) => this.#health.watch(server, askedAt).catch(() => undefined), // it has died
    };
  }

  #world(): FaultyWorld {
    return {
      redis: this.#redis,
      database: this.#schema.client,
      databaseId: this.#schema.databaseId,
      users: this.#users,
      conversations: this.#conversations,
      health: this.#health,
      observations: this.#observations,
      fleet: this.#fleet,
      beginOutage: ({ name }) => {
        const outage = { server: name, from: performance.now(), to: Number.POSITIVE_INFINITY };
        this.#outages.push(outage);
        return () => (outage.to = performance.now());
      },
      lookAround: () => this.#lookAround(),
      stepsDone: (count) => this.#steps.reach(count),
    };
  }

  async #lookAround(): Promise<void> {
    const reader = new Client(this.#stage(), "look");
    const reopen = await this.#gate.close();
    this.#observations.tell("*** everybody looks");
    const until = performance.now() + LOOK_MS_MAX;
    const places = Array.from({ length: SERVERS }, (_, place) => place);
    const look = async (place: number, conversation: ConversationOfRun): Promise<void> => {
      // A miss is filled after its answer; a server that has lost its Redis or PostgreSQL comes back by itself.
      while (performance.now() < until) {
        const source = await reader.read(place, conversation, { kind: "recent", limit: 20, label: "look" });
        if (source === "hit" || source === "gone") return;
        await pause(LOOK_PAUSE_MS);
      }
    };
    await Promise.all(places.flatMap((place) => this.#conversations.map((conversation) => look(place, conversation))));
    reopen();
  }
}
