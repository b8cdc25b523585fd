import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { newSchema } from "./services.ts";
import { temporaryDirectory } from "./service-process.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CONSUMER = `
import { type Backscroll, BackscrollError, createBackscroll, type Message, parityText } from "backscroll";
import { BackscrollApiError, createClient } from "backscroll-client";

const backscroll: Backscroll = await createBackscroll({ logLevel: "silent" });
const { conversations } = backscroll;
const { id } = await conversations.createConversation("ada@example.com", { title: "Trip" });
const saved: Message = await conversations.saveMessage("ada@example.com", id, { role: "user", content: "Hello" });
const failure: unknown = await conversations.getConversation("bob@example.com", id).catch((error: unknown) => error);
if (!(failure instanceof BackscrollError)) throw new Error("expected BackscrollError");
const client = createClient({ baseUrl: "http://localhost", fetch: async (input, init) => backscroll.fetch(new Request(input, init)) });
const absent: unknown = await client.getConversation("absent").catch((error: unknown) => error);
if (!(absent instanceof BackscrollApiError)) throw new Error("expected BackscrollApiError");
interface Said { role: "user" | "assistant"; content: string }
const SESSIONS: Record<string, { messages: Said[]; context: { city?: string } }> = {};
const sessions = backscroll.sessionStore({ user: "ada@example.com", legacy: SESSIONS });
await sessions.append("tab", { role: "user", content: "Hello" });
const shown: readonly Said[] = (await sessions.with({ mode: "backscroll-first" }).get("tab", { limit: 20 }))?.messages ?? [];
if (shown[0]?.content !== "Hello") throw new Error("expected what was appended");
if (!parityText(await sessions.parity()).startsWith("1 session compared: 1 the same")) throw new Error("expected parity");
const page = await backscroll.fetch(new Request("http://localhost/"));
const [, script = ""] = /<script type="module"[^>]* src="([^"]+)"/.exec(await page.text()) ?? [];
const asset = await backscroll.fetch(new Request(new URL(script, "http://localhost/")));
console.log(saved.seq, failure.code, absent.code, page.status, asset.status, asset.headers.get("content-type"));
await backscroll.close();
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

test("the packed packages install, type-check and run as a consumer would use them", { timeout: 120_000 }, async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const consumer = temporaryDirectory();
  const modules = join(consumer, "node_modules");
  mkdirSync(modules);
  run("npm", ["run", "build"], ROOT);
  for (const name of ["client", "backscroll"]) {
    run("publint", ["--strict", join(ROOT, "packages", name)], ROOT);
    const [{ filename }] = JSON.parse(
      run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", consumer], join(ROOT, "packages", name)),
    ) as [{ filename: string }];
    const target = join(modules, name === "client" ? "backscroll-client" : "backscroll");
    mkdirSync(target);
    run("tar", ["-xzf", join(consumer, filename), "-C", target, "--strip-components=1"], consumer);
  }
  // The dependencies as npm would lay them out, without fetching them again; not what only this repository needs.
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>;
  };
  for (const [path, { dev, link }] of Object.entries(packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name === undefined || link || (dev && name !== "@types/node") || !existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, path), join(modules, name));
  }
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ type: "module", private: true }));
  writeFileSync(join(consumer, "main.ts"), CONSUMER);
  const compilerOptions = { target: "es2024", module: "nodenext", strict: true, types: ["node"], outDir: "out" };
  writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["main.ts"] }));

  run("tsc", ["-p", consumer], consumer);
  const stdout = run(process.execPath, ["out/main.js"], consumer, { DATABASE_URL: databaseUrl });
  expect(stdout.trim()).toBe("1 conversation_not_found conversation_not_found 200 200 text/javascript; charset=utf-8");
  const version = run(
    process.execPath,
    [join(modules, "backscroll", "dist", "cli", "main.js"), "--version"],
    dirname(modules),
  );
  expect(readdirSync(join(modules, "backscroll"))).toEqual(
    expect.arrayContaining(["LICENSE", "README.md", "lua", "migrations"]),
  );
  expect(version).toMatch(/^\d+\.\d+\.\d+$/m);
});
