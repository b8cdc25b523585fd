import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { SignJWT } from "jose";
import { say } from "./bench-context.ts";
import { openBenchDatabase, runSql } from "./database.ts";
import { openBenchRedis } from "./redis.ts";
import { writeResults } from "./results.ts";
import { startService } from "./service.ts";
import type { Kept } from "./soak/collect.ts";
import type { Ended, LoadCommand, Taken, Verified } from "./soak/load.ts";
import { MetricsText } from "./soak/metrics-text.ts";
import { type KeptSample, type Sample, type Soak, soakReport } from "./soak/report.ts";

/** Holds a service at 70% of what it can take, for half an hour: `npm run soak -- --minutes 30 --workers 1`. */
const FULL_MINUTES = 30;
const PEOPLE = 50;
const CONVERSATIONS = 2_000;
const SHARE_OF_CAPACITY = 0.7;
const RAMP = { concurrencies: [8, 32], ms: 5_000 };
/** Shorter than the run, so that conversations leave the cache and come back. */
const CACHE_SECONDS = 60;
/**
 * What it takes is measured when conversations leave the cache as fast as they come: at first all of them are in it, and it
 * takes more than it could for long.
 */
const CAPACITY = { settleMs: CACHE_SECONDS * 1_000, ms: 30_000 };
/** Of each process. V8 collects before it asks for more: what is kept shows, and what is merely not collected yet does not. */
const HEAP_MB = 256;
/** As without a limit: V8 would make this a hundredth of the heap, and collect all the time. */
const YOUNG_MB = 16;
/** Seldom: in between, memory is what V8 makes of it. */
const COLLECT_EVERY_MS = 120_000;
const COLLECTED_MS_MAX = 10_000;
const SECRET = "a secret of a soak, of at least 32 bytes";
const METRICS_TOKEN = "soak";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: String(FULL_MINUTES) },
    workers: { type: "string", default: "1" },
    /** requests a second, instead of a share of what it can take: for a machine that does something else, too */
    rate: { type: "string" },
  },
});
const minutes = Number(flags.minutes);
const workers = Number(flags.workers);
const givenRate = flags.rate === undefined ? null : Number(flags.rate);
if (!(minutes >= 1) || !Number.isInteger(workers) || workers < 1 || (givenRate !== null && !(givenRate >= 1))) {
  process.stderr.write("--minutes and --rate must be at least 1, and --workers a whole number from 1\n");
  process.exit(2);
}
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    say("stopping: what there is follows");
    stop.abort();
  });
}

const soak = await runSoak();
const report = soakReport(soak);
process.stdout.write(report.markdown);
if (stop.signal.aborted) process.exitCode = 130;
else {
  if (minutes >= FULL_MINUTES && givenRate === null) writeResults("soak", report.markdown);
  process.exitCode = report.targets.every(({ met }) => met) ? 0 : 1;
}

async function runSoak(): Promise<Soak> {
  await using stack = new AsyncDisposableStack();
  const database = await openBenchDatabase();
  stack.defer(() => database.close());
  const redis = await openBenchRedis();
  stack.defer(() => redis.close());
  const load = new Worker(new URL("soak/load.ts", import.meta.url));
  stack.defer(async () => void (await load.terminate()));
  const tell = async <Answer>(command: LoadCommand): Promise<Answer> => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    load.postMessage(command);
    const [answer] = (await once(load, "message")) as [Answer];
    return answer;
  };
  const directory = mkdtempSync(join(tmpdir(), "backscroll-soak-"));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const keptFile = join(directory, "kept");
  const service = await startService(
    {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      RESPONDER_URL: await tell<string>({ do: "serve the agent" }),
      JWT_SECRET: SECRET,
      METRICS_TOKEN,
      RATE_LIMITS: "off",
      CACHE_TTL: String(CACHE_SECONDS),
      CACHE_ACTIVE_TTL: String(CACHE_SECONDS),
      CACHE_IDLE_TTL: String(CACHE_SECONDS),
      LOG_LEVEL: "error",
      NODE_OPTIONS:
        `--max-old-space-size=${HEAP_MB} --max-semi-space-size=${YOUNG_MB} ` +
        `--expose-gc --import ${new URL("soak/collect.ts", import.meta.url)}`,
      SOAK_KEPT_FILE: keptFile,
    },
    workers > 1 ? ["--workers", String(workers)] : [],
  );
  stack.defer(() => service.close());
  const readMetrics = async (): Promise<MetricsText> => {
    const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
    const answer = await fetch(`${service.url}/metrics`, { headers });
    if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
    return new MetricsText(await answer.text());
  };

  const readKept = async (): Promise<{ rssMb: number; heapMb: number }> => {
    writeFileSync(keptFile, "");
    service.signal("SIGUSR2");
    const processes = workers > 1 ? workers + 1 : 1;
    const readLines = (): string[] => readFileSync(keptFile, "utf8").split("\n").slice(0, -1);
    for (const deadline = performance.now() + COLLECTED_MS_MAX; readLines().length < processes; await pause(50))
      if (performance.now() > deadline) throw new Error(`${readLines().length} of ${processes} processes collected`);
    const each = readLines().map((line) => JSON.parse(line) as Kept);
    const megabytes = (of: "rss" | "heap"): number => each.reduce((sum, kept) => sum + kept[of], 0) / 2 ** 20;
    return { rssMb: megabytes("rss"), heapMb: megabytes("heap") };
  };

  say(`${CONVERSATIONS.toLocaleString("en-US")} conversations of ${PEOPLE} people`);
  await tell({ do: "begin", url: service.url, tokens: await signTokens(), conversations: CONVERSATIONS });
  const ramp: Soak["ramp"][number][] = [];
  for (const concurrency of givenRate === null ? RAMP.concurrencies : []) {
    if (stop.signal.aborted) break;
    const perSecond = await tell<number>({ do: "ramp", concurrency, ms: RAMP.ms });
    ramp.push({ concurrency, perSecond });
    say(`${concurrency} at once: ${Math.round(perSecond)} requests a second`);
  }
  let capacity = 0;
  // With few at once it is those who wait for replies that are counted.
  const best = ramp.at(-1);
  if (best && !stop.signal.aborted) {
    const { concurrency } = best;
    await tell<number>({ do: "ramp", concurrency, ms: CAPACITY.settleMs });
    capacity = await tell<number>({ do: "ramp", concurrency, ms: CAPACITY.ms });
    say(`${concurrency} at once, the cache as it will be: ${Math.round(capacity)} requests a second`);
  }
  const perSecond = givenRate ?? Math.max(1, Math.round(capacity * SHARE_OF_CAPACITY));
  say(`holding ${perSecond} a second for ${minutes} minutes`);
  await tell<Taken>({ do: "take" });
  await tell({ do: "hold", perSecond });
  const first = await readMetrics();
  const startedAt = performance.now();
  const samples: Sample[] = [];
  const kept: KeptSample[] = [];
  let before = first;
  for (const everyMs = sampleEveryMs(); performance.now() - startedAt < minutes * 60_000 && !stop.signal.aborted;) {
    const due = startedAt + (samples.length + 1) * everyMs;
    await pause(Math.max(0, due - performance.now()), undefined, { signal: stop.signal }).catch(() => undefined);
    if (stop.signal.aborted) break;
    const metrics = await readMetrics();
    samples.push({
      seconds: (performance.now() - startedAt) / 1_000,
      ...fromMetrics(metrics, before),
      ...(await tell<Taken>({ do: "take" })),
      redisMb: (await redis.memoryBytes()) / 2 ** 20,
      ...(await databaseState(database.url)),
    });
    before = metrics;
    tellSample(samples.at(-1));
    const since = performance.now() - startedAt;
    if (since < (kept.length + 1) * collectEveryMs()) continue;
    kept.push({ seconds: since / 1_000, ...(await readKept()) });
    say(`kept: ${Math.round(kept.at(-1)?.rssMb ?? 0)} MB, of it heap ${Math.round(kept.at(-1)?.heapMb ?? 0)} MB`);
  }
  const ended = await tell<Ended>({ do: "end" });
  const last = await readMetrics();
  say("reading everything that was acknowledged");
  const verified = stop.signal.aborted ? null : await tell<Verified>({ do: "verify" });
  const gained = (result: string): number =>
    last.sum("backscroll_cache_reads_total", { result }) - first.sum("backscroll_cache_reads_total", { result });
  return {
    minutes: samples.at(-1) ? (samples.at(-1)?.seconds ?? 0) / 60 : 0,
    workers,
    heapMb: HEAP_MB,
    youngMb: YOUNG_MB,
    cacheSeconds: CACHE_SECONDS,
    people: PEOPLE,
    conversations: CONVERSATIONS,
    database: database.description,
    ramp,
    capacity,
    perSecond,
    samples,
    kept,
    ended,
    mismatches: last.sum("backscroll_cache_audit_mismatch_total"),
    audits: last.sum("backscroll_cache_audits_total"),
    hits: gained("hit"),
    reads: gained("hit") + gained("miss"),
    verified,
  };
}

/** Ten seconds; more often in a short run, so that there is something to draw a line through. */
function sampleEveryMs(): number {
  return Math.min(10_000, (minutes * 60_000) / 40);
}

function collectEveryMs(): number {
  return Math.min(COLLECT_EVERY_MS, (minutes * 60_000) / 15);
}

function signTokens(): Promise<string[]> {
  const key = new TextEncoder().encode(SECRET);
  return Promise.all(
    Array.from({ length: PEOPLE }, (_, nth) =>
      new SignJWT({ email: `person-${nth}@example.com` })
        .setProtectedHeader({ alg: "HS256" })
        .setExpirationTime("12h")
        .sign(key),
    ),
  );
}

function fromMetrics(
  now: MetricsText,
  before: MetricsText,
): Pick<
  Sample,
  | "rssMb"
  | "heapMb"
  | "heapTotalMb"
  | "externalMb"
  | "cpuSeconds"
  | "hitRate"
  | "lagMs"
  | "connections"
  | "waiting"
  | "repliesRunning"
> {
  const since = (name: string, labels: Readonly<Record<string, string>>): number =>
    now.sum(name, labels) - before.sum(name, labels);
  const hits = since("backscroll_cache_reads_total", { result: "hit" });
  const waiting = now.sum("backscroll_postgres_connections", { state: "waiting" });
  return {
    rssMb: now.sum("process_resident_memory_bytes") / 2 ** 20,
    heapMb: now.sum("nodejs_heap_size_used_bytes") / 2 ** 20,
    heapTotalMb: now.sum("nodejs_heap_size_total_bytes") / 2 ** 20,
    externalMb: now.sum("nodejs_external_memory_bytes") / 2 ** 20,
    cpuSeconds: since("process_cpu_seconds_total", {}),
    hitRate: hits / (hits + since("backscroll_cache_reads_total", { result: "miss" })),
    lagMs: (now.quantileSince(before, "backscroll_event_loop_lag_seconds", 0.99) ?? Number.NaN) * 1_000,
    connections: now.sum("backscroll_postgres_connections") - waiting,
    waiting,
    repliesRunning: now.sum("backscroll_replies_running"),
  };
}

async function databaseState(url: string): Promise<Pick<Sample, "databaseConnections" | "databaseMb">> {
  const [row] = await runSql(
    url,
    `select pg_database_size(current_database()) as bytes,
            (select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()) as connections`,
  );
  return { databaseConnections: Number(row?.["connections"]), databaseMb: Number(row?.["bytes"]) / 2 ** 20 };
}

function tellSample(sample: Sample | undefined): void {
  if (!sample) return;
  const errors = Object.entries(sample.errors).map(([kind, count]) => `, ${count} × ${kind}`);
  say(
    `${Math.round(sample.rssMb)} MB, heap ${Math.round(sample.heapMb)} of ${Math.round(sample.heapTotalMb)} MB, ` +
      `external ${Math.round(sample.externalMb)} MB, p99 ${sample.all.p99.toFixed(1)} ms, ` +
      `hits ${(sample.hitRate * 100).toFixed(1)}%${errors.join("")}`,
  );
}
