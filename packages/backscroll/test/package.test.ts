import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { refusalOf } from "../src/supported-node.ts";
import { newSchema } from "./services.ts";
import { post } from "./service-process.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CONSUMER = `
import { type Backscroll, BackscrollError, createBackscroll, type Message, parityText } from "backscroll";

const backscroll: Backscroll = await createBackscroll({ logLevel: "silent" });
const { conversations } = backscroll;
const { id } = await conversations.createConversation("ada@example.com", { title: "Trip" });
const saved: Message = await conversations.saveMessage("ada@example.com", id, { role: "user", content: "Hello" });
const failure: unknown = await conversations.getConversation("bob@example.com", id).catch((error: unknown) => error);
if (!(failure instanceof BackscrollError)) throw new Error("expected BackscrollError");
interface Said { role: "user" | "assistant"; content: string }
const SESSIONS: Record<string, { messages: Said[]; context: { city?: string } }> = {};
const sessions = backscroll.sessionStore({ user: "ada@example.com", legacy: SESSIONS });
await sessions.append("tab", { role: "user", content: "Hello" });
const shown: Said[] = (await sessions.with({ mode: "backscroll-first" }).get("tab", { limit: 20 }))?.messages ?? [];
if (shown[0]?.content !== "Hello") throw new Error("expected what was appended");
if (!parityText(await sessions.parity()).startsWith("1 session compared: 1 the same")) throw new Error("expected parity");
const page = await backscroll.fetch(new Request("http://localhost/"));
const [, script = ""] = /<script type="module"[^>]* src="([^"]+)"/.exec(await page.text()) ?? [];
const asset = await backscroll.fetch(new Request(new URL(script, "http://localhost/")));
console.log(saved.seq, failure.code, page.status, asset.status, asset.headers.get("content-type"));
await backscroll.close();
// @ts-expect-error -- a number: the types are there, and not \`any\`
const wrong: string = saved.seq;
`;
const SDK_CONSUMER = `
import { BackscrollApiError, createClient } from "backscroll-client";

const refuse = async (): Promise<Response> => Response.json({ code: "conversation_not_found" }, { status: 404 });
const client = createClient({ baseUrl: "http://localhost", fetch: refuse });
const absent: unknown = await client.getConversation("absent").catch((error: unknown) => error);
if (!(absent instanceof BackscrollApiError)) throw new Error("expected BackscrollApiError");
console.log(absent.code);
`;
function run(command: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  expect(status, `${command} ${args.join(" ")}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

/** @returns its file, made as for the registry: `npm pack` builds it first */
function pack(name: "client" | "backscroll", into: string): { file: string; contents: readonly string[] } {
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--pack-destination", into], join(ROOT, "packages", name)),
  ) as [{ filename: string; files: { path: string }[] }];
  return { file: join(into, packed.filename), contents: packed.files.map(({ path }) => path) };
}

/** Installs packages into an empty folder, as a consumer does. */
function install(directory: string, ...packages: readonly string[]): void {
  mkdirSync(directory);
  writeFileSync(join(directory, "package.json"), JSON.stringify({ private: true }));
  run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], directory);
}

/** Checks the program and what it imports, the dependencies' own types too. @returns what it prints */
function checkAndRun(directory: string, program: string, env: Record<string, string> = {}): string {
  writeFileSync(join(directory, "main.mts"), program);
  const compilerOptions = { target: "es2024", module: "nodenext", strict: true, types: ["node"], outDir: "out" };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["main.mts"] }));
  run("tsc", ["-p", directory], directory);
  return run(process.execPath, ["out/main.mjs"], directory, env).trim();
}

const { version: NODE_TYPES } = JSON.parse(
  readFileSync(join(ROOT, "node_modules", "@types", "node", "package.json"), "utf8"),
) as { version: string };

let directory: string;
let packages: Record<"backscroll" | "client", ReturnType<typeof pack>>;
/** where nothing but `backscroll` and Node's types is installed */
let consumer: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
  chmodSync(directory, 0o755);
  packages = { backscroll: pack("backscroll", directory), client: pack("client", directory) };
  consumer = join(directory, "consumer");
  install(consumer, packages.backscroll.file, `@types/node@${NODE_TYPES}`);
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));

test("the packages are what npm's rules want, and hold what they need and no more", { timeout: 120_000 }, () => {
  for (const name of ["client", "backscroll"] as const) {
    run("publint", ["--strict", join(ROOT, "packages", name)], ROOT);
    const { contents } = packages[name];
    expect(contents).toEqual(expect.arrayContaining(["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]));
    expect(contents.filter((path) => /\.map$|(^|\/)\.|(^|\/)test\/|(?<!\.d)\.ts$/.test(path))).toEqual([]);
  }
  const { contents } = packages.backscroll;
  for (const folder of ["lua", "migrations", "prisma"]) {
    const own = readdirSync(join(ROOT, "packages/backscroll", folder)).map((name) => `${folder}/${name}`);
    expect(contents.filter((path) => path.startsWith(`${folder}/`)).toSorted()).toEqual(own.toSorted());
  }
  expect(contents).toContain("dist/web/index.html");
});

test("the library type-checks and runs where nothing but it is installed", { timeout: 120_000 }, async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  expect(checkAndRun(consumer, CONSUMER, { DATABASE_URL: databaseUrl })).toBe(
    "1 conversation_not_found 200 200 text/javascript; charset=utf-8",
  );
  expect(
    run(process.execPath, ["--eval", `console.log(typeof require("backscroll").createBackscroll)`], consumer),
  ).toBe("function\n");
});

test("the SDK type-checks and runs where nothing but it is installed", { timeout: 120_000 }, () => {
  const alone = join(directory, "sdk-consumer");
  install(alone, packages.client.file, `@types/node@${NODE_TYPES}`);
  expect(checkAndRun(alone, SDK_CONSUMER)).toBe("conversation_not_found");
});

test(
  "npx backscroll serves the web app and answers, with no settings; Ctrl+C ends it with 0",
  {
    timeout: 120_000,
  },
  async () => {
    const env = { PATH: process.env["PATH"] ?? "", HOME: directory, BACKSCROLL_DATA_DIR: join(directory, "data") };
    const child = spawn("npx", ["backscroll", "--json", "--port", "0"], {
      cwd: consumer,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = once(child, "close") as Promise<[number | null, string | null]>;
    onTestFinished(() => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), "SIGKILL");
    });
    const early = ended.then(([status]) => Promise.reject(new Error(`it ended with ${status}: ${stderr}`)));
    const [line] = (await Promise.race([once(child.stdout, "data"), early])) as [Buffer];
    const { url } = JSON.parse(line.toString()) as { url: string };

    const page = await fetch(url);
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(await page.text()).toContain('<script type="module"');
    const turn = await post(`${url}/api/conversations/messages`, { message: "Hello" });
    expect(await turn.json()).toMatchObject({ assistant_message: { status: "complete" } });

    // As a terminal does it: everybody in the foreground is told.
    process.kill(-(child.pid as number), "SIGINT");
    const [status, signal] = await ended;
    const requests = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { route?: string });
    expect(requests.map(({ route }) => route)).toEqual(["/api/conversations/messages"]);
    // npm passes on how its child ended; by itself it ends of the signal.
    expect([0, "SIGINT"]).toContain(status ?? signal);
  },
);

test("an older Node.js is refused with what is needed, by the command and by the library", { timeout: 120_000 }, () => {
  const bin = join(consumer, "node_modules", ".bin", "backscroll");
  const said = (version: string): RegExp => new RegExp(`Backscroll needs Node.js 22.12 or later; this is ${version}, `);
  expect(run(process.execPath, [bin, "--version"], consumer)).toMatch(/^\d+\.\d+\.\d+\n$/);
  const old = `data:text/javascript,Object.defineProperty(process.versions, "node", { value: "20.1.2" })`;
  for (const [node, version, ...before] of [[process.execPath, "20.1.2", "--import", old], ...olderNodes()] as const) {
    const command = spawnSync(node, [...before, bin], { cwd: consumer, encoding: "utf8" });
    expect(command).toMatchObject({ status: 2, stdout: "" });
    expect(command.stderr).toMatch(said(version));
    expect(command.stderr.trimEnd().split("\n")).toHaveLength(1);
  }
  const library = spawnSync(process.execPath, ["--import", old, "--eval", `import("backscroll")`], {
    cwd: consumer,
    encoding: "utf8",
  });
  expect(library.status).toBe(1);
  expect(library.stderr).toMatch(said("20.1.2"));
  // On a real one, nothing may be loaded before the version is looked at.
  const dist = join(consumer, "node_modules", "backscroll", "dist");
  expect(importsOf(join(dist, "cli", "bin.js"))).toEqual(["../supported-node.js"]);
  expect(importsOf(join(dist, "supported-node.js"))).toEqual([]);
});

/** @returns those on the PATH that are too old, and their versions */
function olderNodes(): (readonly [path: string, version: string])[] {
  const paths = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "node"));
  return [...new Set(paths)]
    .filter((path) => existsSync(path))
    .map((path) => [path, spawnSync(path, ["--version"], { encoding: "utf8" }).stdout.trim().slice(1)] as const)
    .filter(([, version]) => refusalOf(version) !== null);
}

function importsOf(path: string): string[] {
  return [...readFileSync(path, "utf8").matchAll(/^import .*"(.+)";$/gm)].map(([, name = ""]) => name);
}
