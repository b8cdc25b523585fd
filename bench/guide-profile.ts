import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { say } from "./bench-context.ts";
import { commitText, machineText, today } from "./conditions.ts";
import { type BenchDatabase, openBenchDatabase } from "./database.ts";
import { openBenchRedis } from "./redis.ts";
import { msText, rateText, table, targetTable, type Target } from "./report.ts";
import { writeResults } from "./results.ts";
import { startService } from "./service.ts";

/** The guide's load test against several workers, PostgreSQL and Redis, as an operator runs it: `npm run bench:guide`. */
const LIMIT_MS = 300_000;

/** What `backscroll bench --json` says. */
interface BenchDocument {
  readonly description: string;
  readonly senders: number;
  readonly rate: number | null;
  readonly seconds: number;
  readonly conversations: number;
  readonly operations: readonly (Times & {
    readonly name: string;
    readonly count: number;
    readonly per_second: number;
  })[];
  readonly failures: readonly { readonly name: string; readonly code: string; readonly count: number }[];
  readonly service: {
    readonly reads: { readonly hit: number; readonly miss: number; readonly bypass: number };
    readonly statements: readonly {
      readonly statement: string;
      readonly count: number;
      readonly average_ms: number;
      readonly p95_ms: number | null;
    }[];
  } | null;
  readonly client_lag_ms: number;
  readonly targets: readonly Target[];
}

interface Times {
  readonly average_ms: number;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

const { values: flags } = parseArgs({
  options: {
    workers: { type: "string", default: "3" },
    senders: { type: "string", default: "8" },
    seconds: { type: "string", default: "30" },
    // Prints, and writes nothing.
    quick: { type: "boolean", default: false },
  },
});
setTimeout(() => {
  say(`stopped: not done within ${LIMIT_MS / 1_000} s`);
  process.exit(1);
}, LIMIT_MS).unref();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const database = await openBenchDatabase();
const redis = await openBenchRedis();
try {
  const service = await startService({
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    WORKERS: flags.workers,
    LOG_LEVEL: "warn",
  });
  try {
    say(`the guide's load test of ${service.url}`);
    const workers = await countWorkers(service.url);
    const document = await bench(service.url);
    const markdown = toMarkdown(document, workers, database);
    process.stdout.write(markdown);
    if (!flags.quick) writeResults("guide", markdown);
    if (document.targets.some(({ met }) => !met)) process.exitCode = 1;
  } finally {
    await service.close();
  }
} finally {
  await redis.close();
  await database.close();
}

/** @returns how many processes answer on the port, as the service itself counts them */
async function countWorkers(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^backscroll_workers (\S+)/m.exec(metrics)?.[1] ?? 1);
}

async function bench(url: string): Promise<BenchDocument> {
  const main = fileURLToPath(new URL("../packages/backscroll/src/cli/main.ts", import.meta.url));
  const { senders, seconds } = flags;
  const options = ["--json", "bench", "--profile", "guide", "--url", url, "--senders", senders, "--seconds", seconds];
  const child = spawn(process.execPath, ["--conditions=backscroll-source", main, ...options], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const [status] = (await once(child, "close")) as [number | null];
  if (output === "") throw new Error(`backscroll bench ended with ${status}`);
  return JSON.parse(output) as BenchDocument;
}

function toMarkdown(document: BenchDocument, workers: number, { description }: BenchDatabase): string {
  const { operations, failures, service, targets, senders, seconds, conversations } = document;
  const conditions = [
    `${today()}, ${commitText()}`,
    `${machineText()}: the service, PostgreSQL, Redis and the client on it, over loopback`,
    `Node ${process.versions.node}; ${description}; Redis without persistence`,
    `${workers} worker${workers === 1 ? "" : "s"}, ${senders} senders in a closed loop for ${Math.round(seconds)} s, ${conversations} conversations`,
    document.description,
    "times are the client's, from the first byte sent to the last byte read; it was itself late by " +
      `${msText(document.client_lag_ms)} (p99). The verdict is on averages, as the guide has it`,
  ];
  const measured = operations.map(({ name, count, per_second, ...times }) => [
    name,
    count.toLocaleString("en-US"),
    rateText(per_second),
    ...[times.average_ms, times.p50_ms, times.p95_ms, times.p99_ms, times.max_ms].map(msText),
  ]);
  const statements = (service?.statements ?? []).map(({ statement, count, average_ms, p95_ms }) => [
    `\`${statement}\``,
    count.toLocaleString("en-US"),
    msText(average_ms),
    p95_ms === null ? "–" : msText(p95_ms),
  ]);
  return [
    "## The guide's load test",
    "Written by `npm run bench:guide`.",
    conditions.map((condition) => `- ${condition}`).join("\n"),
    targetTable(targets),
    table(["measured at the client", "count", "rate", "average", "p50", "p95", "p99", "max"], measured),
    ...failures.map(({ name, code, count }) => `${count} × ${name}: ${code}`),
    table(["statement, by the service's metrics", "count", "average", "p95"], statements),
    "",
  ].join("\n\n");
}
