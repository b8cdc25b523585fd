import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "../bench-context.ts";
import { msText, type Section, table } from "../report.ts";
import { quantile } from "../rounds.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BUILT = join(ROOT, "packages/web/dist/.built");
const BIN = join(ROOT, "packages/backscroll/dist/cli/bin.js");

/** How long somebody waited, in milliseconds since the command was given. */
interface Waited {
  /** until it said that it is ready */
  readonly readyMs: number;
  /** until the web app's page was there */
  readonly pageMs: number;
}

/** `npm start` as somebody gives it, with a PostgreSQL of its own, for the first time and again. */
export async function measureStartUp(runs: number): Promise<Section> {
  spawnSync("npm", ["run", "build"], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  const rows: string[][] = [];
  const npmStart = ["npm", "start", "--", "--port", "0"];
  const measured = async (name: string, measure: () => Promise<Waited>): Promise<void> => {
    const waited: Waited[] = [];
    for (let run = 0; run < runs; run += 1) waited.push(await measure());
    const [ready, page] = [waited.map(({ readyMs }) => readyMs), waited.map(({ pageMs }) => pageMs)];
    say(`${name}: ready in ${msText(quantile(ready, 0.5))}`);
    const range = `${msText(quantile(ready, 0))}–${msText(quantile(ready, 1))}`;
    rows.push([name, `**${msText(quantile(ready, 0.5))}**`, range, msText(quantile(page, 0.5))]);
  };
  await measured("`npm start`, first run, web app not built yet", () => {
    rmSync(BUILT, { force: true });
    return withDataDir((dataDir) => start(npmStart, dataDir));
  });
  await measured("`npm start`, first run, web app built", () => withDataDir((dataDir) => start(npmStart, dataDir)));
  await withDataDir(async (dataDir) => {
    await start(npmStart, dataDir);
    await measured("`npm start`, second run", () => start(npmStart, dataDir));
    await measured("the packed package's `backscroll`, second run", () => start([BIN, "--port", "0"], dataDir));
  });
  return {
    title: "Start-up",
    text:
      'From the command to the line "Ready", and to the web app\'s page; embedded PostgreSQL, nothing configured. Medians ' +
      `of ${runs}.\n\n${table(["", "ready", "least–most", "page"], rows)}`,
  };
}

async function withDataDir<Result>(work: (dataDir: string) => Promise<Result>): Promise<Result> {
  const dataDir = mkdtempSync(join(tmpdir(), "backscroll-bench-"));
  chmodSync(dataDir, 0o755);
  try {
    return await work(dataDir);
  } finally {
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

async function start([program = "", ...args]: readonly string[], dataDir: string): Promise<Waited> {
  const env = { PATH: process.env["PATH"], HOME: process.env["HOME"], BACKSCROLL_DATA_DIR: dataDir };
  const startedAt = performance.now();
  const child = spawn(program, args, { cwd: ROOT, env, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  const kill = (): void => void process.kill(-(child.pid as number), "SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "close");
  let said = "";
  const ready = new Promise<void>((done, fail) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("Ready in")) done();
    });
    void ended.then(() => fail(new Error(`it ended: ${said}`)));
  });
  await ready;
  const readyMs = performance.now() - startedAt;
  const page = await fetch(/http:\/\/[\d.:]+/.exec(said)?.[0] ?? "");
  await page.text();
  if (page.status !== 200) throw new Error(`the page answered ${page.status}`);
  const pageMs = performance.now() - startedAt;
  process.kill(-(child.pid as number), "SIGINT");
  await ended;
  process.off("exit", kill);
  return { readyMs, pageMs };
}
