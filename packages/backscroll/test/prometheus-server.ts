import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { parse } from "yaml";
import { freePort } from "./free-port.ts";
import { temporaryDirectory } from "./service-process.ts";

/** What the repository brings for Prometheus. */
export const PROMETHEUS_DIRECTORY = fileURLToPath(new URL("../../../deploy/prometheus", import.meta.url));

/** Fails the test when promtool finds something. */
export async function promtool(
  args: readonly string[],
  { cwd = PROMETHEUS_DIRECTORY, input = "" }: { readonly cwd?: string; readonly input?: string } = {},
): Promise<void> {
  const child = spawn("promtool", args, { cwd });
  child.stdin.end(input);
  const [said, complained, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  expect(status, said + complained).toBe(0);
}

/** One series and its newest value. */
interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** a number as text: it may be NaN */
  readonly value: readonly [atSeconds: number, value: string];
}

interface Rule {
  readonly type: "alerting" | "recording";
  /** the alert's, or the recorded series' */
  readonly name: string;
  readonly query: string;
  /** of its last evaluation */
  readonly lastError?: string;
}

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
}

/** A Prometheus with the repository's configuration. */
interface Prometheus {
  /** @returns what an expression has now */
  query(expression: string): Promise<readonly Sample[]>;
  rules(): Promise<readonly Rule[]>;
  alerts(): Promise<readonly Alert[]>;
}

interface Configuration {
  global: Record<string, string>;
  rule_files: string[];
  scrape_configs: { authorization: { credentials_file: string }; static_configs: { targets: string[] }[] }[];
}

/** Writes the repository's configuration with what differs from machine to machine. @returns the file */
export function configure({ target, token }: { readonly target: string; readonly token: string }): string {
  const directory = temporaryDirectory();
  const [file, tokenFile] = [join(directory, "prometheus.yml"), join(directory, "token")];
  writeFileSync(tokenFile, token);
  const configuration = parse(readFileSync(join(PROMETHEUS_DIRECTORY, "prometheus.yml"), "utf8")) as Configuration;
  // Once a second: a test has no quarter of an hour.
  configuration.global = { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" };
  configuration.rule_files = configuration.rule_files.map((name) => join(PROMETHEUS_DIRECTORY, name));
  for (const { authorization, static_configs: configs } of configuration.scrape_configs) {
    authorization.credentials_file = tokenFile;
    for (const config of configs) config.targets = [target];
  }
  writeFileSync(file, JSON.stringify(configuration)); // which is YAML, too
  return file;
}

/** Starts one that scrapes this service; it ends with the test. */
export async function startPrometheus(service: {
  readonly target: string;
  readonly token: string;
}): Promise<Prometheus> {
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${configure(service)}`,
      `--storage.tsdb.path=${temporaryDirectory()}`,
      `--web.listen-address=${address}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (line: string) => (said += line));
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const isReady = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended: ${said}`);
    return (await fetch(`http://${address}/-/ready`).catch(() => null))?.ok ?? false;
  };
  await expect.poll(isReady, { timeout: 20_000 }).toBe(true);

  const ask = async <Data>(path: string): Promise<Data> => {
    const response = await fetch(`http://${address}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  return {
    query: async (expression) =>
      (await ask<{ result: readonly Sample[] }>(`query?query=${encodeURIComponent(expression)}`)).result,
    rules: async () =>
      (await ask<{ groups: readonly { rules: readonly Rule[] }[] }>("rules")).groups.flatMap(({ rules }) => rules),
    alerts: async () => (await ask<{ alerts: readonly Alert[] }>("alerts")).alerts,
  };
}
