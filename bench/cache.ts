import { SignJWT } from "jose";
import pg from "pg";
import type { BackscrollInternals } from "../packages/backscroll/src/create.ts";
import { freezeUnderLoad } from "../packages/backscroll/test/cache-load.ts";
import { type Bench, CONTENT, openBackscroll, say, USER } from "./bench-context.ts";
import { type HttpBench, serveHttp, staticApp } from "./http.ts";
import { openBenchRedis, type BenchRedis } from "./redis.ts";
import { atLeast, msText, rateText, ratioText, type Section, table, type Target } from "./report.ts";
import { inProcess, interleave, measureRate, median, ratio, type Subject } from "./rounds.ts";
import { newConversations } from "./seed.ts";
import { startService } from "./service.ts";
import { zipf } from "./zipf.ts";

const LIMIT = 20;
const STATIC = "a static answer of the same bytes";
const MEMORY = "in-process cache";
const REDIS = "Redis";
const KNOWN = "Redis, with a token and limits";
const POSTGRES = "no cache: PostgreSQL";
const CONCURRENCY = 16;

const JWT_SECRET = "measured measured measured measured";
const NEVER_REACHED = { RATE_LIMIT_READS: "100000000", RATE_LIMIT_ADDRESS_READS: "100000000" };

/** The newest messages over HTTP from either cache, what a cached read and write cost Redis, and how often it is hit. */
export async function measureCache(bench: Bench): Promise<Section> {
  const { database } = bench;
  const redis = await openBenchRedis();
  const open = (environment: Record<string, string>): Promise<BackscrollInternals> =>
    openBackscroll(database.url, environment);
  const memory = await open({ CACHE: "memory" });
  const withRedis = await open({ REDIS_URL: redis.url });
  const withTokens = await open({ REDIS_URL: redis.url, JWT_SECRET, ...NEVER_REACHED });
  try {
    const reads = await measureCachedReads(bench, [
      [MEMORY, memory],
      [REDIS, withRedis],
      [KNOWN, withTokens],
      [POSTGRES, bench.backscroll],
    ]);
    const costs = await measureRedisCosts(bench, redis, withRedis);
    const hits = await measureHitRate(bench, redis, withRedis);
    const frozen = await measureFrozen(bench, redis);
    return {
      title: `Recent ${LIMIT}, cached`,
      text: [reads.text, costs, hits.text, frozen.text].join("\n\n"),
      targets: [...reads.targets, hits.target, frozen.target],
    };
  } finally {
    await Promise.all([memory.close(), withRedis.close(), withTokens.close()]);
    await redis.close();
  }
}

async function measureCachedReads(
  { seeded, effort }: Bench,
  services: readonly (readonly [name: string, backscroll: BackscrollInternals])[],
): Promise<{ text: string; targets: readonly Target[] }> {
  const path = `/api/conversations/${seeded.largeId}/messages?limit=${LIMIT}`;
  const authorization = `Bearer ${await signToken()}`;
  const get = { method: "GET", paths: [path], body: null, authorization, expectedStatus: 200 } as const;
  const opened: HttpBench[] = [];
  const subjects: Subject[] = [];
  const cpu = new Map<string, number[]>();
  const add = (name: string, http: HttpBench): void => {
    opened.push(http);
    subjects.push(withCpu(http.subject(name, get), cpu));
  };
  try {
    let body = "";
    for (const [name, backscroll] of services) {
      const http = await serveHttp(backscroll.fetch);
      body = await http.get(path, { authorization }); // it is cached from now on
      add(name, http);
    }
    add(STATIC, await serveHttp(staticApp(body, 200).fetch));
    const rows: string[][] = [];
    const targets: Target[] = [];
    for (const concurrency of effort.concurrencies) {
      say(`cached reads, ${concurrency}`);
      cpu.clear();
      const rates = await interleave(subjects, { ...effort, concurrency });
      for (const [name, values] of rates) {
        rows.push([
          String(concurrency),
          name,
          name === STATIC ? "" : ratioText(ratio(rates, name, STATIC)),
          name === POSTGRES || name === STATIC ? "" : ratioText(ratio(rates, name, POSTGRES)),
          rateText(median(values)),
          `${median(cpu.get(name) ?? []).toFixed(0)} µs`,
        ]);
      }
      if (concurrency === CONCURRENCY) {
        targets.push(
          atLeast(
            "cached recent 20 over HTTP from the in-process cache, of a static body",
            0.8,
            ratio(rates, MEMORY, STATIC),
          ),
          atLeast("cached recent 20 over HTTP from Redis, of a static body", 0.5, ratio(rates, REDIS, STATIC)),
        );
      }
    }
    const head = [
      "concurrency",
      "",
      "of the static answer",
      "of PostgreSQL",
      "median",
      "CPU of the serving thread a read",
    ];
    return {
      text: `${Buffer.byteLength(body).toLocaleString("en-US")} bytes an answer.\n\n${table(head, rows)}`,
      targets,
    };
  } finally {
    await Promise.all(opened.map((http) => http.close()));
  }
}

/** Of the user whom everybody is without authentication: where nobody looks at it, it is only sent. */
function signToken(): Promise<string> {
  return new SignJWT({ email: USER })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(JWT_SECRET));
}

/** Notes what this thread's CPU an operation cost: it tells more than a rate where cores are shared. */
export function withCpu({ name, run }: Subject, cpu: Map<string, number[]>): Subject {
  return {
    name,
    async run(concurrency, ms) {
      const before = process.threadCpuUsage();
      const startedAt = performance.now();
      const rate = await run(concurrency, ms);
      const { user, system } = process.threadCpuUsage(before);
      const operations = (rate * (performance.now() - startedAt)) / 1_000;
      cpu.set(name, [...(cpu.get(name) ?? []), (user + system) / operations]);
      return rate;
    },
  };
}

/** Redis' own CPU, and what telling it costs an append. */
async function measureRedisCosts(
  { database, backscroll, seeded, effort }: Bench,
  redis: BenchRedis,
  withRedis: BackscrollInternals,
): Promise<string> {
  say("what a cached read and write cost Redis");
  const read = (): Promise<unknown> =>
    withRedis.conversations.getRecentMessages(USER, seeded.largeId, { limit: LIMIT });
  const appendTo = async (service: BackscrollInternals): Promise<(worker: number) => Promise<unknown>> => {
    const ids = await newConversations(database.url, seeded.userId, CONCURRENCY);
    for (const id of ids) await service.conversations.getRecentMessages(USER, id);
    return (worker) =>
      service.conversations.saveMessage(USER, ids[worker % ids.length] ?? "", { role: "user", content: CONTENT });
  };
  const [append, appendUncached] = [await appendTo(withRedis), await appendTo(backscroll)];
  const costs: string[][] = [];
  for (const [name, operation] of [
    ["read (LRANGE)", read],
    ["append (EVALSHA)", append],
  ] as const) {
    const perOperation: number[] = [];
    for (let round = 0; round < effort.rounds; round += 1) {
      const before = await redis.cpuSeconds();
      const startedAt = performance.now();
      const rate = await measureRate(CONCURRENCY, effort.roundMs, operation);
      const operations = (rate * (performance.now() - startedAt)) / 1_000;
      perOperation.push(((await redis.cpuSeconds()) - before) / operations);
    }
    costs.push([name, `${(median(perOperation) * 1e6).toFixed(1)} µs`]);
  }
  const rates = await interleave([inProcess(REDIS, append), inProcess(POSTGRES, appendUncached)], {
    ...effort,
    concurrency: CONCURRENCY,
  });
  return (
    `${table(["", "CPU of Redis"], costs)}\n\n` +
    `An append over the library at concurrency ${CONCURRENCY} that tells Redis: ${ratioText(ratio(rates, REDIS, POSTGRES))} of one without a cache.`
  );
}

const ZIPF = { conversations: 10_000, messages: 25, readShare: 0.9 } as const;

/** Two servers on one Redis; conversations are asked for as words are used: the nth most popular 1/n as often. */
async function measureHitRate(
  bench: Bench,
  redis: BenchRedis,
  one: BackscrollInternals,
): Promise<{ text: string; target: Target }> {
  say("hit rate");
  const { database, seeded, effort } = bench;
  const ids = await newConversations(database.url, seeded.userId, ZIPF.conversations);
  await insertMessages(database.url, seeded.userId, ids);
  const other = await openBackscroll(database.url, { REDIS_URL: redis.url });
  try {
    const services = [one, other];
    const pick = zipf(ZIPF.conversations);
    const operation = async (worker: number): Promise<unknown> => {
      const service = services[worker % services.length] ?? one;
      const id = ids[pick()] ?? "";
      if (Math.random() < ZIPF.readShare) return service.conversations.getRecentMessages(USER, id, { limit: LIMIT });
      return service.conversations.saveMessage(USER, id, { role: "user", content: CONTENT });
    };
    for (const id of ids) await one.conversations.getRecentMessages(USER, id, { limit: LIMIT });
    await measureRate(CONCURRENCY, effort.roundMs * effort.rounds * 3, operation);
    const before = await countReads(services);
    await measureRate(CONCURRENCY, effort.roundMs * effort.rounds * 3, operation);
    const after = await countReads(services);
    const [hits, all] = [after.hits - before.hits, after.all - before.all];
    const share = hits / all;
    return {
      text:
        `Hits under Zipf 1.0 over ${ZIPF.conversations.toLocaleString("en-US")} conversations, ${ZIPF.readShare * 100}% reads, two ` +
        `servers on one Redis, after ${Math.round(before.all).toLocaleString("en-US")} reads: ` +
        `**${(share * 100).toFixed(1)}%** of ${all.toLocaleString("en-US")}.`,
      target: {
        name: "hit rate under Zipf 1.0 over 10,000 conversations, 90% reads, warm",
        wanted: "> 95%",
        reached: `**${(share * 100).toFixed(1)}%**`,
        met: share > 0.95,
      },
    };
  } finally {
    await other.close();
  }
}

const FROZEN_CLIENTS = 4;
const FROZEN_MARGIN_MS = 20;

/** A service of its own, asked over HTTP while its Redis is stopped and goes on. */
async function measureFrozen(
  { database, backscroll, effort }: Bench,
  redis: BenchRedis,
): Promise<{ text: string; target: Target }> {
  say("frozen Redis");
  const service = await startService({ DATABASE_URL: database.url, REDIS_URL: redis.url, LOG_LEVEL: "silent" });
  try {
    const requests = effort.rounds * 200;
    const { phases, failures, wrong } = await freezeUnderLoad(service.url, redis, {
      clients: FROZEN_CLIENTS,
      requests,
    });
    const bound = backscroll.config.cacheTimeoutMs + FROZEN_MARGIN_MS;
    const rows = Object.entries(phases).map(([phase, { requests: count, p50, p99, max }]) => [
      phase,
      count.toLocaleString("en-US"),
      msText(p50),
      msText(p99),
      msText(max),
    ]);
    return {
      text:
        `Redis frozen (SIGSTOP) under ${FROZEN_CLIENTS} clients that save and read over HTTP: ${failures.length} failed ` +
        `requests, ${wrong.length} wrong answers.\n\n${table(["", "requests", "p50", "p99", "slowest"], rows)}`,
      target: {
        name: "p99 while Redis is frozen and the breaker open; no failed request, no wrong answer",
        wanted: `≤ ${bound} ms`,
        reached: `**${msText(phases.frozen.p99)}**, ${failures.length} failed, ${wrong.length} wrong`,
        met: phases.frozen.p99 <= bound && failures.length === 0 && wrong.length === 0,
      },
    };
  } finally {
    await service.close();
  }
}

async function countReads(services: readonly BackscrollInternals[]): Promise<{ hits: number; all: number }> {
  const counts = { hits: 0, all: 0 };
  for (const { registry } of services) {
    const found = await registry.getSingleMetric("backscroll_cache_reads_total")?.get();
    for (const { labels, value } of found?.values ?? []) {
      counts.all += value;
      if (labels["result"] === "hit") counts.hits += value;
    }
  }
  return counts;
}

async function insertMessages(url: string, userId: number, ids: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    `insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
     select $1, id, seq, gen_random_uuid(), 'user', $4, statement_timestamp()
       from unnest($2::uuid[]) as id, generate_series(1, $3::int) as seq`,
    [userId, ids, ZIPF.messages, CONTENT],
  );
  await client.query(
    `update conversations set last_seq = $3, message_count = $3, version = version + $3
      where user_id = $1 and id = any($2)`,
    [userId, ids, ZIPF.messages],
  );
  await client.end();
}
