import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type Panel, readDashboard } from "./dashboard.ts";
import { findPrometheus } from "./find-prometheus.ts";
import { configure, PROMETHEUS_DIRECTORY, promtool } from "./prometheus-server.ts";

beforeAll(findPrometheus, 300_000);

const RULES = join(PROMETHEUS_DIRECTORY, "rules");
const TESTS = readdirSync(RULES).filter((name) => name.endsWith("_test.yml"));

interface AlertRule {
  readonly alert: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

interface UnitTest {
  readonly name: string;
  readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
}

function readAlerts(): readonly AlertRule[] {
  const { groups } = parse(readFileSync(join(RULES, "alerts.yml"), "utf8")) as {
    groups: readonly { rules: readonly AlertRule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

test(
  "promtool finds nothing wrong with the configuration and the rules, and every unit test of theirs passes",
  {
    timeout: 180_000,
  },
  async () => {
    await promtool(["check", "config", configure({ target: "127.0.0.1:4100", token: "t0ken" })]);
    await promtool(["check", "config", "--syntax-only", "prometheus.yml"]);
    await promtool(["check", "rules", "rules/recording.yml", "rules/alerts.yml"]);
    expect(TESTS.length).toBeGreaterThan(0);
    await promtool(["test", "rules", ...TESTS], { cwd: RULES });
  },
);

test("every alert has unit tests in which it fires, and in which it stays silent", () => {
  const cases = TESTS.flatMap(
    (name) => (parse(readFileSync(join(RULES, name), "utf8")) as { tests: UnitTest[] }).tests,
  );
  for (const { alert } of readAlerts()) {
    const own = cases.filter(({ name }) => name.startsWith(`${alert} `));
    const asked = own.map(({ promql_expr_test: asks = [] }) =>
      asks.filter(({ expr }) => expr === `ALERTS{alertname="${alert}", alertstate="firing"}`),
    );
    const fires = asked.filter((asks) => asks.some(({ exp_samples: expected }) => expected.length > 0));
    const silent = asked.filter(
      (asks) => asks.length > 0 && asks.every(({ exp_samples: expected }) => expected.length === 0),
    );
    expect([alert, fires.length > 0, silent.length > 0]).toEqual([alert, true, true]);
  }
});

test("every alert says how urgent it is, what is wrong, what to do, and where to read more", () => {
  const alerts = readAlerts();
  expect(alerts.length).toBeGreaterThan(0);
  for (const { alert, labels, annotations } of alerts) {
    expect(["critical", "warning"]).toContain(labels["severity"]);
    expect(Object.keys(annotations).toSorted()).toEqual(["description", "runbook_url", "summary"]);
    const anchor = alert.replaceAll(/(?!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
    expect(annotations["runbook_url"]).toBe(`docs/troubleshooting.md#${anchor}`);
  }
});

test("the dashboard has one address, its data source is chosen, and every panel says what it shows, in which unit", () => {
  const { uid, panels, templating } = readDashboard();
  expect(uid).toBe("backscroll");
  expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
    ["datasource", "datasource"],
    ["instance", "query"],
  ]);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const panel of panels.filter(({ type }) => type !== "row")) {
    const { title, type, description = "", datasource, fieldConfig, targets = [] } = panel;
    expect(["stat", "table", "timeseries"], title).toContain(type);
    expect(description, title).not.toBe("");
    expect(fieldConfig?.defaults.unit, title).toEqual(expect.any(String));
    const chosen = { type: "prometheus", uid: "${datasource}" };
    expect([datasource, ...targets.map((target) => target.datasource)], title).toEqual(
      Array.from({ length: targets.length + 1 }, () => chosen),
    );
    for (const { expr } of targets) expect(expr, title).not.toMatch(/\[(?!\$__rate_interval\]|\$__range\])/);
  }
  for (const [i, panel] of panels.entries())
    for (const other of panels.slice(i + 1)) expect([panel.title, other.title, overlap(panel, other)]).toContain(false);
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
