import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { createLog } from "../packages/backscroll/src/create-log.ts";
import type { BackscrollInternals } from "../packages/backscroll/src/create.ts";
import { type Bench, openBackscroll, say } from "./bench-context.ts";
import { withCpu } from "./cache.ts";
import { type HttpBench, serveHttp } from "./http.ts";
import { atLeast, ratioText, type Section, table } from "./report.ts";
import { interleave, median, ratio, type Subject } from "./rounds.ts";

const CONCURRENCY = 16;
const NO_LINES = "no line";
const BUFFERED = "a line, written with others: `backscroll serve`";
const ONE_BY_ONE = "a line, written by itself: as a library";
const TRACED = "no line, every request traced";

/** What a request's line costs the cheapest answer there is, and what a trace does. */
export async function measureLog({ database, seeded, effort }: Bench): Promise<Section> {
  say("the log");
  const fd = openPipe();
  const collector = await startCollector();
  const open = async (logs: { buffered: boolean } | null, more: Record<string, string> = {}) => {
    const options = { logLevel: "info", logFormat: "json", fd } as const;
    const logger = logs && (await createLog({ ...options, ...logs }));
    return openBackscroll(database.url, { CACHE: "memory", ...more }, logger ? { logger } : {});
  };
  const services: readonly (readonly [name: string, backscroll: BackscrollInternals])[] = [
    [NO_LINES, await open(null)],
    [BUFFERED, await open({ buffered: true })],
    [ONE_BY_ONE, await open({ buffered: false })],
    [TRACED, await open(null, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })],
  ];
  const opened: HttpBench[] = [];
  const cpu = new Map<string, number[]>();
  const path = `/api/conversations/${seeded.largeId}/messages?limit=20`;
  try {
    const subjects: Subject[] = [];
    for (const [name, { fetch }] of services) {
      const http = await serveHttp(fetch);
      opened.push(http);
      await http.get(path); // it is cached from now on
      subjects.push(
        withCpu(http.subject(name, { method: "GET", paths: [path], body: null, expectedStatus: 200 }), cpu),
      );
    }
    const rates = await interleave(subjects, { ...effort, concurrency: CONCURRENCY });
    const rows = services.map(([name]) => [
      name,
      name === NO_LINES ? "" : ratioText(ratio(rates, name, NO_LINES)),
      `${median(cpu.get(name) ?? []).toFixed(0)} µs`,
    ]);
    return {
      title: "The log and traces",
      text:
        `Cached reads over HTTP from the in-process cache at concurrency ${CONCURRENCY}; lines go into a pipe, spans to a ` +
        `collector.\n\n${table(["", "of the rate without", "CPU of the serving thread a read"], rows)}`,
      targets: [atLeast("cached reads with a line each, of those without", 0.85, ratio(rates, BUFFERED, NO_LINES))],
    };
  } finally {
    await Promise.all(opened.map((http) => http.close()));
    await Promise.all(services.map(([, backscroll]) => backscroll.close()));
    await collector.close();
  }
}

/** @returns a pipe as a supervisor's is, with a program that reads it as long as this process runs */
function openPipe(): number {
  const directory = mkdtempSync(join(tmpdir(), "backscroll-bench-log-"));
  const path = join(directory, "pipe");
  execFileSync("mkfifo", [path]);
  spawn("cat", [path], { stdio: "ignore" }).unref();
  const fd = openSync(path, "w");
  rmSync(directory, { recursive: true });
  return fd;
}

/** Takes all that comes, in a thread of its own. */
async function startCollector(): Promise<{ readonly url: string; close(): Promise<unknown> }> {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const server = require("node:http").createServer((request, response) => {
      request.resume().on("end", () => response.end());
    });
    server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(code, { eval: true });
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  return { url: `http://127.0.0.1:${port}`, close: () => worker.terminate() };
}
