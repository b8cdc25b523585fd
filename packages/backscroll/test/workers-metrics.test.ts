import type { OperatorReport } from "backscroll-client";
import { expect, test } from "vitest";
import { post } from "./service-process.ts";
import { PATIENTLY, seriesIn, startWorkers, type WorkersService } from "./workers-fixture.ts";

const SAVED = 'backscroll_messages_saved_total{role="user"}';
const LIVEZ = 'backscroll_http_request_duration_seconds_count{method="GET",route="/livez",status="2xx"}';

/** A connection each: workers take turns. */
async function ask(url: string, times: number): Promise<void> {
  await Promise.all(Array.from({ length: times }, () => fetch(`${url}/livez`, { headers: { connection: "close" } })));
}

async function save({ url }: WorkersService, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    const body = { role: "user", content: "Hello" };
    const answer = await post(`${url}/api/conversations/c/messages`, body, { connection: "close" });
    expect(answer.status).toBe(201);
  }
}

/** @returns every counter and every bucket */
function countsIn(exposition: string): ReadonlyMap<string, number> {
  const lasting = new Set(
    [...exposition.matchAll(/^# TYPE (\w+) (?:counter|histogram)$/gm)].map(([, name]) => name ?? ""),
  );
  const counts = new Map<string, number>();
  for (const [, name = "", labels = "", value] of exposition.matchAll(/^(\w+?)(\{.*\})? (\S+)$/gm)) {
    const metric = name.replace(/_(?:bucket|sum|count)$/, "");
    if (lasting.has(name) || lasting.has(metric)) counts.set(`${name}${labels}`, Number(value));
  }
  return counts;
}

function fallen(before: string, after: string): readonly string[] {
  const now = countsIn(after);
  return [...countsIn(before)].filter(([series, value]) => (now.get(series) ?? 0) < value).map(([series]) => series);
}

test("any worker tells what all of them counted, and no count falls when workers are replaced", PATIENTLY, async () => {
  const service = await startWorkers(3);
  await post(`${service.url}/api/conversations`, { id: "c" });
  await save(service, 12);
  await ask(service.url, 30);
  const texts = await Promise.all(Array.from({ length: 6 }, () => service.metrics()));
  for (const text of texts) {
    expect(seriesIn(text, SAVED)).toBe(12);
    expect(seriesIn(text, LIVEZ)).toBe(30);
    expect(seriesIn(text, "backscroll_workers")).toBe(3);
    expect(text).not.toMatch(/ (?:NaN|null|undefined)$/m);
  }

  let last = texts.at(-1) ?? "";
  expect(countsIn(last).size).toBeGreaterThan(100);
  for (let restart = 0; restart < 2; restart += 1) {
    await service.restart();
    const after = await service.metrics();
    expect(fallen(last, after)).toEqual([]);
    expect(seriesIn(after, SAVED)).toBe(12);
    expect(seriesIn(after, LIVEZ)).toBe(30);
    last = after;
  }
  await save(service, 5);
  expect(seriesIn(await service.metrics(), SAVED)).toBe(17);

  last = await service.metrics();
  process.kill(service.workerPids()[0] ?? 0, "SIGKILL");
  await expect.poll(async () => seriesIn(await service.metrics(), "backscroll_workers"), { timeout: 60_000 }).toBe(3);
  const after = await service.metrics();
  expect(fallen(last, after)).toEqual([]);
  expect(seriesIn(after, SAVED)).toBe(17);
});

test(
  "a worker that hangs holds up nobody who reads the metrics, and counts as what it said last",
  PATIENTLY,
  async () => {
    const service = await startWorkers(3);
    await ask(service.url, 30);
    expect(seriesIn(await service.metrics(), LIVEZ)).toBe(30);
    const hung = service.workerPids()[0] ?? 0;
    process.kill(hung, "SIGSTOP");
    try {
      // One in three connections is the hung one's.
      const answers = Array.from({ length: 6 }, async () => {
        const answer = await fetch(`${service.url}/metrics`, { headers: { connection: "close" } });
        return answer.text();
      });
      expect(seriesIn(await Promise.any(answers), LIVEZ)).toBe(30);
      process.kill(hung, "SIGCONT");
      for (const text of await Promise.all(answers)) expect(seriesIn(text, LIVEZ)).toBe(30);
    } finally {
      process.kill(hung, "SIGCONT");
    }
  },
);

test("memory is the sum of all, and the operator's page is told of the whole machine", PATIENTLY, async () => {
  const service = await startWorkers(3, { ADMINS: "you@localhost" });
  await ask(service.url, 30);
  const metrics = await service.metrics();
  expect(metrics.match(/^process_start_time_seconds /gm)).toHaveLength(1);
  expect(seriesIn(metrics, "process_resident_memory_bytes")).toBeGreaterThan(
    seriesIn(metrics, "nodejs_heap_size_used_bytes"),
  );
  const report = async (): Promise<OperatorReport> =>
    (await (await fetch(`${service.url}/api/operator`, { headers: { connection: "close" } })).json()) as OperatorReport;
  const requests = async (): Promise<number> =>
    (await report()).series.requests.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  // The next time that it looks.
  await expect.poll(requests, { timeout: 60_000, interval: 200 }).toBeGreaterThanOrEqual(30);
  const reports = await Promise.all(Array.from({ length: 6 }, report));
  const [first] = reports;
  for (const { started_at, series } of reports) {
    expect(started_at).toBe(first?.started_at);
    expect(series.requests[0]).toBe(first?.series.requests[0]);
  }
  await service.restart();
  expect((await report()).started_at).toBe(first?.started_at);
});
