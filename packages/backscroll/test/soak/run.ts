import { isDeepStrictEqual } from "node:util";
import pg from "pg";
import { migrate } from "../../src/postgres/migrate.ts";
import { check, type Violation } from "./checker.ts";
import { Client } from "./client.ts";
import { type FaultyWorld, keyOf, makeFaults } from "./faults.ts";
import { Health } from "./health.ts";
import { Observations } from "./observations.ts";
import { type Program, programOf, type ProgramSize, SERVERS } from "./program.ts";
import { type RedisControl, startRedisControl } from "./redis-control.ts";
import { type Counters, type Server, startServer, type Surroundings } from "./server.ts";
import { type ConversationOfRun, nameOf, readHistory, recordHistory, type State } from "./true-history.ts";

export interface RunOptions {
  /** of a PostgreSQL that is the test's own, or nearly: each seed makes a schema and drops it */
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
  /** what happened, for people: everything about this conversation, and every fault */
  story(conversation: string): string;
}

const AUDIT_INTERVAL_MS = 300;
/** An audit begins with a hit after its interval, and takes a few calls with their deadlines. */
const AUDIT_TAKES_MS = 400;
const SETTLE_MS_MAX = 10_000;
const SIZE = { clients: 6, stepsEach: 40, faults: 6 };
const SIZE_OF_PROCESSES = { clients: 6, stepsEach: 40, faults: 6 };

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
export async function runSeed(seed: number, options: RunOptions): Promise<Report> {
  const startedAt = performance.now();
  const conversations = options.processes ? CONVERSATIONS_OF_ONE : CONVERSATIONS;
  const size: ProgramSize = {
    ...(options.processes ? SIZE_OF_PROCESSES : SIZE),
    conversations: conversations.length,
  };
  const program = programOf(seed, size);
  const schema = await createSchema(options.databaseUrl, seed);
  const redis = await startRedisControl(options.redisServer);
  const run = new Run(program, conversations, { redis, schema, processes: options.processes });
  try {
    await run.begin();
    await run.play();
    const late = await run.settle();
    const found = await run.check();
    return {
      seed,
      ms: performance.now() - startedAt,
      ...found,
      violations: [...found.violations, ...late],
      counters: await run.totals(),
      story: (conversation) => run.story(conversation, program),
    };
  } finally {
    await run.end();
    await redis.close();
    await schema.drop();
  }
}

interface Schema {
  readonly databaseUrl: string;
  readonly databaseId: string;
  readonly client: pg.Client;
  drop(): Promise<void>;
}

async function createSchema(server: string, seed: number): Promise<Schema> {
  const schema = `soak_${process.pid}_${seed}_${Date.now().toString(36)}`;
  const url = new URL(server);
  url.searchParams.set("options", `-c search_path=${schema}`);
  const databaseUrl = url.href.replaceAll("+", "%20");
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`create schema ${schema}`);
  await migrate(databaseUrl);
  await recordHistory(client);
  const { rows } = await client.query<{ database_id: string }>("select database_id from installation");
  return {
    databaseUrl,
    client,
    databaseId: rows[0]?.database_id ?? "",
    async drop() {
      await client.query(`drop schema ${schema} cascade`);
      await client.end();
    },
  };
}

class Run {
  readonly #program: Program;
  readonly #conversations: readonly ConversationOfRun[];
  readonly #redis: RedisControl;
  readonly #schema: Schema;
  readonly #surroundings: Surroundings;
  readonly #health = new Health(AUDIT_INTERVAL_MS + AUDIT_TAKES_MS);
  readonly #observations = new Observations();
  readonly #users = new Map<string, number>();
  readonly #servers: Server[] = [];
  readonly #dead: Promise<void>[] = [];
  readonly #lastCounters: Counters[] = [];
  readonly #outages: { readonly server: string; readonly from: number; to: number }[] = [];
  readonly #startedAt = performance.now();
  #lives = 0;
  #steps = 0;
  #playing = true;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(
    program: Program,
    conversations: readonly ConversationOfRun[],
    { redis, schema, processes }: { redis: RedisControl; schema: Schema; processes: boolean },
  ) {
    this.#program = program;
    this.#conversations = conversations;
    this.#redis = redis;
    this.#schema = schema;
    this.#surroundings = {
      databaseUrl: schema.databaseUrl,
      redisPort: redis.port,
      settings: { ...program.settings, cacheAuditIntervalMs: AUDIT_INTERVAL_MS },
      processes,
    };
  }

  async begin(): Promise<void> {
    this.#servers.push(...(await Promise.all(Array.from({ length: SERVERS }, () => this.#startServer()))));
    const first = new Client(this.#stage(), "begin");
    for (const [nth, conversation] of this.#conversations.entries()) {
      await first.create(nth, conversation, `begin${nth}`);
      if (this.#program.prefilled > 0) await first.append(nth, conversation, `before${nth}`, this.#program.prefilled);
    }
    const { rows } = await this.#schema.client.query<{ id: string; subject: string }>("select id, subject from users");
    for (const { id, subject } of rows) this.#users.set(subject, Number(id));
  }

  /** The clients work side by side while the faults happen. */
  async play(): Promise<void> {
    const { clients, faults } = this.#program;
    const faulty = makeFaults(this.#world(), faults);
    await Promise.all(
      clients.map(async (steps, index) => {
        const client = new Client(this.#stage(), String.fromCodePoint(97 + index));
        for (const [nth, step] of steps.entries()) {
          await new Promise((resolve) => setTimeout(resolve, step.thinkMs));
          await client.take(step, nth);
          this.#stepDone();
        }
      }),
    );
    this.#playing = false;
    this.#stepDone();
    await faulty;
    for (const server of this.#servers) {
      server.redis.heal();
      server.postgres.heal();
    }
  }

  /** Waits until everybody has recovered, and every read on every server is what PostgreSQL holds. */
  async settle(): Promise<readonly Violation[]> {
    const unrecovered = await this.#health.allRecovered(SETTLE_MS_MAX);
    this.#observations.tell("*** everybody has recovered");
    const at = performance.now();
    const violations: Violation[] = unrecovered.map((name) => ({
      rule: "7: what failed is repaired",
      conversation: "",
      at,
      text: `${name} did not recover`,
    }));
    const reader = new Client(this.#stage(), "end");
    const limits = [...Array.from({ length: 25 }, (_, index) => index + 1), 40, 60];
    for (const conversation of this.#conversations) {
      const violation = await this.#waitUntilRight(reader, conversation, at);
      if (violation) violations.push(violation);
      for (let place = 0; place < SERVERS; place += 1) {
        for (const limit of limits) {
          await reader.read(place, conversation, { kind: "recent", limit, label: `end${limit}` });
        }
      }
    }
    return violations;
  }

  async check(): Promise<Omit<Report, "seed" | "ms" | "counters" | "story">> {
    const { reads, acknowledgements } = this.#observations;
    const history = await readHistory(this.#schema.client, this.#users, this.#conversations);
    const checked = check(this.#observations, history, this.#health, (server, begin, end) =>
      this.#outages.some((outage) => outage.server === server && outage.from <= end && outage.to >= begin),
    );
    const violations = [...checked.violations];
    for (const [nth, states] of [...history.values()].entries()) {
      const last = states.at(-1);
      const name = [...history.keys()][nth] ?? "";
      const wrong = last && (await this.#wrongInRedis(nth, last));
      if (wrong !== undefined)
        violations.push({
          rule: "8: what is cached is PostgreSQL's",
          conversation: name,
          at: performance.now(),
          text: wrong,
        });
      const final = reads.filter(({ conversation, label }) => conversation === name && /^end\d/.test(label));
      for (const { server, limit, answer, end } of final) {
        const expected = last && !last.gone ? last.messages.slice(0, limit) : null;
        if (isDeepStrictEqual(answer?.messages ?? null, expected)) continue;
        const text = `after everything, ${server} with limit ${limit} shows something else than PostgreSQL`;
        violations.push({ rule: "9: afterwards every read equals the database", conversation: name, at: end, text });
      }
    }
    return {
      violations: violations.toSorted((a, b) => a.at - b.at),
      reads: reads.length,
      readsBoundByOthers: checked.readsBoundByOthers,
      changes: acknowledgements.length,
      slowestReadMs: Math.max(...reads.map(({ begin, end }) => end - begin)),
    };
  }

  async totals(): Promise<Counters> {
    const totals = new Map<string, number>();
    const all = [...this.#lastCounters, ...(await Promise.all(this.#servers.map((server) => server.counters())))];
    for (const counters of all) {
      for (const [name, value] of counters) totals.set(name, (totals.get(name) ?? 0) + value);
    }
    return totals;
  }

  story(conversation: string, { settings, faults, prefilled }: Program): string {
    const lines = this.#observations.story
      .filter((line) => line.conversation === null || line.conversation === conversation)
      .map(({ at, text }) => `${(at - this.#startedAt).toFixed(1).padStart(8)} ${text}`);
    return [JSON.stringify({ settings, prefilled }), ...faults.map((fault) => JSON.stringify(fault)), ...lines].join(
      "\n",
    );
  }

  async end(): Promise<void> {
    await Promise.all([...this.#servers.map((server) => server.close()), ...this.#dead]);
  }

  async #startServer(): Promise<Server> {
    this.#lives += 1;
    return startServer(`server${this.#lives}`, this.#surroundings);
  }

  #server(place: number): Server {
    const server = this.#servers[place % SERVERS];
    if (!server) throw new Error("there are servers");
    return server;
  }

  #stage(): ConstructorParameters<typeof Client>[0] {
    return {
      server: (place) => this.#server(place),
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
      server: (place) => this.#server(place),
      allServers: () => this.#servers,
      replace: (place) => this.#replace(place),
      beginOutage: ({ name }) => {
        const outage = { server: name, from: performance.now(), to: Number.POSITIVE_INFINITY };
        this.#outages.push(outage);
        return () => (outage.to = performance.now());
      },
      stepsDone: (count) => this.#stepsDone(count),
    };
  }

  async #replace(place: number): Promise<void> {
    const dying = this.#server(place);
    const counters = await dying.counters();
    this.#lastCounters.push(new Map([...counters].filter(([name]) => /_total/.test(name))));
    // Until the next one is up, nobody answers here.
    const crashed = dying.crash();
    this.#health.died(dying);
    this.#dead.push(crashed);
    this.#servers[place % SERVERS] = await this.#startServer();
  }

  #stepsDone(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#steps >= count || !this.#playing) resolve();
      else this.#waiting.push({ count, resolve });
    });
  }

  #stepDone(): void {
    this.#steps += 1;
    const due = this.#waiting.filter(({ count }) => this.#steps >= count || !this.#playing);
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { resolve } of due) resolve();
  }

  /** What nobody could announce is found by an audit, which a hit begins: so it is read until it is right. */
  async #waitUntilRight(reader: Client, conversation: ConversationOfRun, since: number): Promise<Violation | null> {
    const { reads } = this.#observations;
    for (let place = 0; place < SERVERS; place += 1) {
      for (;;) {
        await reader.read(place, conversation, { kind: "recent", limit: 20, label: "settle" });
        const shown = reads.at(-1);
        await reader.read(place, conversation, { kind: "strong", limit: 20, label: "settle" });
        if (isDeepStrictEqual(shown?.answer, reads.at(-1)?.answer)) break;
        if (performance.now() - since < SETTLE_MS_MAX) continue;
        const text = `${this.#server(place).name} does not come to show what PostgreSQL holds`;
        return { rule: "7: what failed is repaired", conversation: nameOf(conversation), at: since, text };
      }
    }
    return null;
  }

  /** @returns what is wrong with the list in Redis; undefined when nothing is */
  async #wrongInRedis(nth: number, { version, gone, messages }: State): Promise<string | undefined> {
    const world = { databaseId: this.#schema.databaseId, users: this.#users, conversations: this.#conversations };
    const elements = (await this.#redis.ask("LRANGE", keyOf(world, nth, "messages"), "0", "-1")) as (string | Buffer)[];
    if (elements.length === 0) return undefined;
    if (gone) return "a conversation that is gone is cached";
    const cached = (await this.#redis.ask("GET", keyOf(world, nth, "version"))) as string | Buffer | null;
    const texts = elements.map(String);
    const whole = texts.at(-1) === "^";
    const shown = (whole ? texts.slice(0, -1) : texts).map((text) => JSON.stringify(JSON.parse(text)));
    const expected = messages.slice(0, this.#program.settings.cacheMessageLimit + 1 - Number(whole));
    if (cached !== null && Number(cached) !== version) return `version ${String(cached)} instead of ${version}`;
    if (!isDeepStrictEqual(shown, expected)) return `${shown.length} messages that are not the newest`;
    return whole === messages.length < elements.length ? undefined : "the mark of the beginning is wrong";
  }
}
