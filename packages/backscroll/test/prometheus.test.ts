import { readFileSync } from "node:fs";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { expressionsOf, readDashboard } from "./dashboard.ts";
import { findPrometheus } from "./find-prometheus.ts";
import { keepBusy, startAgent } from "./prometheus-load.ts";
import { promtool, startPrometheus } from "./prometheus-server.ts";
import { selectorsOf } from "./promql.ts";
import { startRedis } from "./redis-server.ts";
import { startService } from "./service-process.ts";
import { newSchema } from "./services.ts";

beforeAll(findPrometheus, 300_000);

const TOKEN = "t0ken";
const STREAMS_MAX = 2;
/** Prometheus makes these by itself. */
const OF_PROMETHEUS = new Set(["up", "ALERTS"]);
/** What a busy machine may be late with: these may be about to fire, nothing else. */
const ABOUT_SPEED = new Set([
  "BackscrollCacheHitsSlow",
  "BackscrollCacheMissesSlow",
  "BackscrollEventLoopLag",
  "BackscrollPoolStarved",
  "BackscrollPoolWait",
]);

/** With everything that has metrics. */
async function startWholeService(): Promise<{ readonly url: string }> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const redis = await startRedis();
  return startService([], {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    METRICS_TOKEN: TOKEN,
    RESPONDER_URL: await startAgent(),
    RATE_LIMITS: "on",
    STREAMS_PER_USER: String(STREAMS_MAX),
    ...Object.fromEntries(["READS", "WRITES", "TURNS"].map((kind) => [`RATE_LIMIT_${kind}`, "1000000"])),
    ...Object.fromEntries(["READS", "WRITES", "TURNS"].map((kind) => [`RATE_LIMIT_ADDRESS_${kind}`, "1000000"])),
    CACHE_TIMEOUT_MS: "5000",
    CACHE_AUDIT_INTERVAL_MS: "100",
  });
}

async function readMetrics(url: string): Promise<string> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(response.status).toBe(200);
  return response.text();
}

/** @returns the series' names, e.g. three of a histogram */
function namesIn(metrics: string): ReadonlySet<string> {
  return new Set([...metrics.matchAll(/^([a-z]\w+)/gm)].map(([, name = ""]) => name));
}

test(
  "a Prometheus that scrapes a busy service has data for every panel and every rule, and no alert fires",
  {
    timeout: 180_000,
  },
  async () => {
    const service = await startWholeService();
    keepBusy(service.url, { streamsMax: STREAMS_MAX });
    const target = new URL(service.url).host;
    const prometheus = await startPrometheus({ target, token: TOKEN });
    const isFinite = async (expression: string): Promise<boolean> =>
      (await prometheus.query(expression)).some(({ value }) => Number.isFinite(Number(value[1])));
    const isThere = async (selector: string): Promise<boolean> => (await prometheus.query(selector)).length > 0;
    const awaited = { timeout: 60_000, interval: 250 };

    const dashboardFile = readDashboard();
    const dashboard = expressionsOf(dashboardFile, {
      datasource: "prometheus",
      instance: target.replaceAll(".", "\\\\."), // as Grafana writes a chosen server into a regular expression
      __rate_interval: "10s",
      __range: "30s",
    });
    const rules = await prometheus.rules();
    for (const { panel, expression } of dashboard)
      await expect.poll(() => isFinite(expression), { ...awaited, message: `${panel}: ${expression}` }).toBe(true);
    for (const { type, name } of rules)
      if (type === "recording") await expect.poll(() => isFinite(name), { ...awaited, message: name }).toBe(true);

    // Every metric that is named, with every label's value, is one that there is.
    const recorded = new Set(rules.map(({ name }) => name));
    const exported = namesIn(await readMetrics(service.url));
    const selectors = [...dashboard.map(({ expression }) => expression), ...rules.map(({ query }) => query)].flatMap(
      (expression) => selectorsOf(expression),
    );
    for (const { metric, text } of selectors) {
      expect([metric, exported.has(metric) || recorded.has(metric) || OF_PROMETHEUS.has(metric)]).toEqual([
        metric,
        true,
      ]);
      if (metric !== "ALERTS") await expect.poll(() => isThere(text), { ...awaited, message: text }).toBe(true);
    }
    const [, variable] = dashboardFile.templating.list;
    expect(variable?.query).toMatchObject({ query: "label_values(backscroll_info, instance)" });
    expect((await prometheus.query("backscroll_info")).map(({ metric }) => metric["instance"])).toEqual([target]);

    const alerts = await prometheus.alerts();
    const unexpected = alerts.filter(
      ({ state, labels }) => state === "firing" || !ABOUT_SPEED.has(labels["alertname"] ?? ""),
    );
    expect(unexpected).toEqual([]);
    expect((await prometheus.rules()).filter(({ lastError = "" }) => lastError !== "")).toEqual([]);
  },
);

test(
  "promtool finds nothing wrong with the names and units of the service's metrics, and each is documented",
  {
    timeout: 60_000,
  },
  async () => {
    const service = await startWholeService();
    const metrics = await readMetrics(service.url);
    const own = metrics.split("\n").filter((line) => /^(# \w+ )?backscroll_/.test(line));
    await promtool(["check", "metrics"], { input: `${own.join("\n")}\n` });
    const docs = ["metrics.md", "cache.md"].map((name) =>
      readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8"),
    );
    for (const [, name = ""] of metrics.matchAll(/^# TYPE (backscroll_\w+) /gm)) {
      // Beside another one of the cache it is written without what they begin with alike.
      const names = [name, name.replace(/^backscroll_cache/, "…")];
      expect([name, names.some((one) => docs.some((text) => text.includes(one)))]).toEqual([name, true]);
    }
  },
);
