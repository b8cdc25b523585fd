import type { OperatorReport } from "../../client/src/index.ts";
import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { startFaultyRedis } from "../../backscroll/test/faulty-redis.ts";
import { type ScriptedServices, scriptedServices } from "../../backscroll/test/scripted-responder.ts";
import { ADA, type AppStage, DESKTOP, PHONE, POLL, test } from "./app-test.ts";

const CHARTS = [
  "Latency ms",
  "Latency by route ms, p95",
  "Time to first token ms",
  "Cache reads a minute",
  "Messages saved a minute",
  "Errors a minute",
  "Tokens a day",
  "Messages a day",
  "PostgreSQL pool connections",
  "PostgreSQL statements ms",
  "Redis up or down",
  "Event loop lag ms",
  "Memory MB",
];

/** A service whose figures move only when the test wants it. */
async function steadyServices(
  options: Partial<Parameters<typeof scriptedServices>[0]> = {},
): Promise<ScriptedServices> {
  const services = await scriptedServices({ local: true, processMetrics: true, ...options });
  services.sampler.stop();
  return services;
}

/** @returns the page, whose clock goes on only when the test says so: nobody waits for its next look */
async function openSteady(
  stage: AppStage,
  services: ScriptedServices,
): Promise<{ page: Page; look: () => Promise<void> }> {
  const page = await stage.open("about:blank");
  await page.clock.install();
  await page.goto(`${services.url}/operator`);
  return {
    page,
    async look() {
      const answer = page.waitForResponse(/\/api\/operator/);
      await page.clock.runFor(10_000);
      await answer;
    },
  };
}

/** Something of everything that is counted. */
async function work(services: ScriptedServices): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (let i = 0; i < 5; i += 1) {
    const message = { role: i % 2 === 0 ? "user" : "assistant", content: "x", tokens_used: 100 };
    await services.call(ADA, "POST", "/api/conversations/c/messages", message);
    await services.call(ADA, "GET", "/api/conversations/c/messages");
    await services.call(ADA, "GET", "/api/conversations/none");
  }
  const sent = services.call(ADA, "POST", "/api/conversations/messages", { message: "Hello" });
  const reply = await services.nextReply();
  reply.say("Hi");
  reply.finish();
  await sent;
}

async function reportOf(services: ScriptedServices, window = "15m"): Promise<OperatorReport> {
  return (await services.call(ADA, "GET", `/api/operator?window=${window}`)).json as OperatorReport;
}

function chartOf(page: Page, name: string): Locator {
  return page.getByRole("region", { name, exact: true });
}

/** @returns the rows of a chart's table, the newest first, each with its figures */
async function tableOf(page: Page, name: string): Promise<(number | null)[][]> {
  const chart = chartOf(page, name);
  const show = chart.getByRole("button", { name: /^Show as table/ });
  if (await show.isVisible()) await show.click();
  const rows = await chart.getByRole("row").all();
  const texts = await Promise.all(rows.slice(1).map((row) => row.getByRole("cell").allTextContents()));
  return texts.map((cells) => cells.map((text) => (text === "–" ? null : Number(text.replaceAll(",", "")))));
}

/** As a person reads it: to the digits that are shown. */
function shown(value: number | null): number | null {
  if (value === null) return null;
  const text = value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
  return Number(text.replaceAll(",", ""));
}

test("every chart is shown, and its table has the figures of the service", async ({ stage }) => {
  const services = await steadyServices();
  await work(services);
  await services.sampler.sample();
  await work(services);
  await services.sampler.sample();
  const page = await stage.open(`${services.url}/operator`);
  for (const name of CHARTS) await chartOf(page, name).waitFor();
  await chartOf(page, "Redis up or down").getByText("No Redis is used here").waitFor();
  const { series, usage } = await reportOf(services);
  const newestFirst = (...columns: (readonly (number | null)[])[]): (number | null)[][] =>
    series.times.map((_, i) => columns.map((column) => shown(column[column.length - 1 - i] ?? null)));
  const ms = (column: readonly (number | null)[]): (number | null)[] =>
    column.map((value) => (value === null ? null : value * 1_000));
  const aMinute = (column: readonly number[]): number[] =>
    column.map((value, i) => (value * 60) / (series.seconds[i] ?? 0));
  const { latency, first_token: first, cache, messages, errors, pool, queries, event_loop: loop, memory } = series;
  const megabytes = (column: readonly (number | null)[]): number[] => column.map((bytes) => (bytes ?? 0) / 1_048_576);
  const expected: Record<string, (number | null)[][]> = {
    "Latency ms": newestFirst(ms(latency.p50), ms(latency.p95), ms(latency.p99)),
    "Latency by route ms, p95": newestFirst(...series.routes.map(({ p95 }) => ms(p95))),
    "Time to first token ms": newestFirst(ms(first.p50), ms(first.p95), ms(first.p99)),
    "Cache reads a minute": newestFirst(aMinute(cache.hit), aMinute(cache.miss), aMinute(cache.bypass)),
    "Messages saved a minute": newestFirst(
      ...[messages.user, messages.assistant, messages.system, messages.tool].map(aMinute),
    ),
    "Errors a minute": newestFirst(aMinute(errors.client), aMinute(errors.server)),
    "PostgreSQL pool connections": newestFirst(pool.busy, pool.idle, pool.waiting),
    "PostgreSQL statements ms": newestFirst(ms(queries.p50), ms(queries.p95), ms(queries.p99)),
    "Event loop lag ms": newestFirst(ms(loop.p50), ms(loop.p95), ms(loop.p99)),
    "Memory MB": newestFirst(megabytes(memory.resident), megabytes(memory.heap)),
  };
  for (const [name, figures] of Object.entries(expected)) {
    // Of what was never measured there is no table.
    const isKnown = figures.flat().some((figure) => figure !== null);
    expect([name, await tableOf(page, name)]).toEqual([name, isKnown ? figures : []]);
  }
  expect((await tableOf(page, "Tokens a day"))[0]).toEqual([usage?.days[0]?.tokens_used]);
  expect((await tableOf(page, "Messages a day"))[0]).toEqual([usage?.days[0]?.messages]);
  await chartOf(page, "Errors a minute").getByText("Since the start: conversation_not_found 10").waitFor();
});

test("new figures come by themselves, and another window has other steps", async ({ stage }) => {
  const services = await steadyServices();
  const { page, look } = await openSteady(stage, services);
  await chartOf(page, "Latency ms").getByText("Nothing yet").waitFor();
  const steps = async (n: number): Promise<void> => {
    await expect.poll(async () => (await tableOf(page, "Latency ms")).length, POLL).toBe(n);
  };
  await work(services);
  await services.sampler.sample();
  await look();
  await steps(1);
  await services.sampler.sample(Date.now() + 10_000);
  await look();
  await steps(2);
  await page.getByRole("radio", { name: "7d" }).check();
  await steps(1);
  await page.getByRole("radio", { name: "1h" }).check();
  await steps(2);
  await page.getByRole("radio", { name: "p50" }).check();
  await chartOf(page, "Latency by route ms, p50").waitFor();
});

test("without Redis the page says that it is degraded, and why, and when that is over", async ({ stage }) => {
  const redis = await startFaultyRedis();
  const services = await steadyServices({ redisUrl: redis.url });
  const { page, look } = await openSteady(stage, services);
  const status = page.getByRole("region", { name: "Status" });
  const becomes = async (status: string): Promise<void> => {
    await expect.poll(async () => (await reportOf(services)).status, POLL).toBe(status);
  };
  await status.getByText("Healthy").waitFor();
  await redis.kill();
  await becomes("degraded");
  await services.sampler.sample();
  await look();
  await status.getByText("Degraded").waitFor();
  await status.getByText("Redis unavailable: slower, nothing lost").waitFor();
  await page.getByRole("status").getByText("Degraded: Redis unavailable").waitFor({ state: "attached" });
  await chartOf(page, "Redis up or down").getByText("down", { exact: true }).waitFor();
  await redis.restart();
  await becomes("healthy");
  await look();
  await status.getByText("Healthy").waitFor();
});

test("what cannot be read is said, with the last figures below, until it is read", async ({ stage }) => {
  stage.forgive(/status of 403/);
  const services = await steadyServices();
  await work(services);
  await services.sampler.sample();
  const { page, look } = await openSteady(stage, services);
  await chartOf(page, "Latency ms").waitFor();
  const problem = { type: "", title: "", status: 403, detail: "not now", code: "forbidden", request_id: "" };
  await page.route("**/api/operator*", (route) => route.fulfill({ status: 403, json: problem }));
  await look();
  const failure = page.getByRole("alert").filter({ hasText: "Couldn't load the figures. Not now." });
  await failure.waitFor();
  await chartOf(page, "Latency ms").getByRole("button", { name: "Show as table: Latency" }).waitFor();
  await page.unroute("**/api/operator*");
  await failure.getByRole("button", { name: "Retry" }).click();
  await failure.waitFor({ state: "hidden" });
});

test("who is no admin is told so, and asks for nothing", async ({ stage }) => {
  const services = await steadyServices({ local: false, authenticate: () => "ada@example.com" });
  const page = await stage.open();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${services.url}/operator`);
  await page.getByText("This page is for admins").waitFor();
  expect(asked).not.toContain("/api/operator");
});

test("nothing reaches beyond the page, at any width; a chart is drawn anew for another theme or width", async ({
  stage,
}) => {
  const services = await steadyServices();
  await work(services);
  await services.sampler.sample();
  const page = await stage.open(`${services.url}/operator`);
  const canvas = chartOf(page, "Latency ms").locator("canvas");
  for (const width of [DESKTOP.width, 768, PHONE.width, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await expect.poll(async () => within(await canvas.boundingBox(), width), POLL).toBe(true);
    const overflow = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const beyond = [...document.querySelectorAll("main *")].filter((one) => {
        const { right, width } = one.getBoundingClientRect();
        return width > 0 && right > clientWidth + 1 && !one.closest(".sr-only");
      });
      return [scrollWidth - clientWidth, ...beyond.map((one) => one.outerHTML.slice(0, 100))];
    });
    expect([width, overflow]).toEqual([width, [0]]);
  }
  const drawn = (): Promise<string> => canvas.evaluate((one) => (one as HTMLCanvasElement).toDataURL());
  const light = await drawn();
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(async () => (await drawn()) !== light, POLL).toBe(true);
});

function within(box: { x: number; width: number } | null, width: number): boolean {
  return box !== null && box.width > 100 && box.x >= 0 && box.x + box.width <= width;
}
