import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runInThisContext } from "node:vm";
import { expect, onTestFinished } from "vitest";
import { PYTHON_SETUP } from "../../src/sessions-scan/python-setup.ts";
import { replacementFor } from "../../src/sessions-scan/replacement.ts";
import { scanSessions, type Use } from "../../src/sessions-scan/scan.ts";
import { newSchema, test } from "../services.ts";
import { startService, temporaryDirectory } from "../service-process.ts";
import { writeSample } from "./corpus.ts";

const ADA = "ada@example.com";
const MESSAGES = [
  { role: "system", content: "Be kind" },
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
];

/** Lines that set `result`, and whether they fail where there is no session. */
const RECORDS: readonly (readonly [code: string, fails?: true])[] = [
  ["const result = sessions[id]?.messages;"],
  ["const result = sessions[id]?.messages ?? [];"],
  ["const result = sessions[id].messages.length;", true],
  ["const result = sessions[id]?.messages.length;"],
  ["const result = sessions[id]?.messages?.length ?? 0;"],
  ["const result = sessions[id].messages[0];", true],
  ["const result = sessions[id].messages.slice(-2);", true],
  ["const result = sessions[id].messages.slice(-1);", true],
  ["const result = sessions[id].messages.at(-1);", true],
  ["const result = sessions[id].messages.slice(1);", true],
  ["const result = sessions[id]?.messages.slice(-2);"],
  ["const result = sessions[id]?.messages.slice(-(1 + 1)) ?? [];"],
  ['const result = sessions[id].messages.filter((m) => m.role !== "system");', true],
  ['const result = sessions[id].messages.findIndex((m) => m.role === "user");', true],
  ['const result = (sessions[id]?.messages || []).filter((m) => m.role === "user");'],
  ["const result = sessions[id].context[key];", true],
  ["const result = sessions[id].context.city.toUpperCase();", true],
  ["const result = sessions[id]?.context?.city;"],
  ["const { messages } = sessions[id];", true],
];
const LISTS: readonly (readonly [code: string, fails?: true])[] = [
  ["const result = chats[id];"],
  ["const result = chats[id] || [];"],
  ["const result = chats[id]?.length;"],
  ["const result = (chats[id] ?? []).map((m) => m.content);"],
  ["const result = chats[id].slice(-2);", true],
  ["const result = chats[id]?.slice(-2);"],
  ["const result = chats[id][0];", true],
];

async function usesIn(file: string, text: string): Promise<readonly Use[]> {
  return (await scanSessions(writeSample({ files: new Map([[file, text]]) }))).uses;
}

test("a replacement in TypeScript reads what the line read, with a session and without", async ({ services }) => {
  const store = services.sessionStore({ user: ADA });
  await store.append("s", MESSAGES);
  await store.setContext("s", { city: "Rome" });
  const run = async (code: string, names: Record<string, unknown>): Promise<unknown> => {
    const result = code.includes("{ messages }") ? "messages" : "result";
    const source = `(async (${Object.keys(names).join(", ")}) => { ${code}\nreturn ${result}; })`;
    return (runInThisContext(source) as (...values: unknown[]) => Promise<unknown>)(...Object.values(names));
  };
  for (const [name, lines] of [["sessions", RECORDS] as const, ["chats", LISTS] as const]) {
    const body = lines.map(([code]) => `export async function f(id, key) {\n  ${code}\n  return result;\n}\n`).join("");
    const push = name === "sessions" ? `${name}[id].messages` : `${name}[id]`;
    const added = `export const add = (id, content) => ${push}.push({ role: "user", content });\n`;
    const uses = await usesIn("a.js", `const ${name} = {};\n${added}${body}`);
    const old = name === "sessions" ? { messages: MESSAGES, context: { city: "Rome" } } : MESSAGES;
    for (const [code, fails] of lines) {
      const found = uses.filter((use) => use.code === code);
      expect(found.length, code).toBe(1);
      const replacement = replacementFor(found[0]!).code;
      const ofSession = { id: "s", key: "city" };
      expect(await run(replacement, { ...ofSession, store }), replacement).toEqual(
        await run(code, { ...ofSession, [name]: { s: old } }),
      );
      if (fails === true) continue;
      const ofNone = { id: "none", key: "city" };
      expect(await run(replacement, { ...ofNone, store }), `${replacement} without a session`).toEqual(
        await run(code, { ...ofNone, [name]: {} }),
      );
    }
  }
});

test("a replacement in TypeScript begins a session only where the line did", async ({ services }) => {
  const store = services.sessionStore({ user: ADA });
  const uses = await usesIn(
    "a.js",
    `const sessions = {};
export async function f(id, system) {
  const s = (sessions[id] ??= { messages: [system], context: { lang: "en" } });
  s.messages.push({ role: "user", content: "Hi" });
}
`,
  );
  const use = uses.find(({ pattern }) => pattern === "create");
  const { code } = replacementFor(use!);
  const run = runInThisContext(`(async (store, id, system) => { ${code}\nreturn s; })`);

  for (let i = 0; i < 2; i++) {
    const session = await run(store, "s", MESSAGES[0]);
    expect(session).toMatchObject({ messages: [MESSAGES[0]], context: { lang: i === 0 ? "en" : "it" } });
    await store.updateContext("s", { lang: "it" });
  }
});

test("a replacement in TypeScript begins no session where `?.` did not", async ({ services }) => {
  const store = services.sessionStore({ user: ADA });
  const uses = await usesIn(
    "a.js",
    `const sessions = new Map();
export async function f(id) {
  sessions.get(id)?.messages.push({ role: "user", content: "Hi" });
}
`,
  );
  const use = uses.find(({ pattern }) => pattern === "append");
  const run = runInThisContext(`(async (store, id) => { ${replacementFor(use!).code} })`);

  await run(store, "s");
  expect(await store.has("s")).toBe(false);
  await store.create("s");
  await run(store, "s");
  expect(await store.get("s")).toMatchObject({ messages: [MESSAGES[1]] });
});

test("of a list, and of an object without a role, the replacement says what a message needs", async () => {
  const code = `const chats = {};
export function f(id, text) {
  chats[id].push("User: " + text);
  chats[id].push({ sender: "user", text });
  chats[id].push({ role: "user", content: text });
}
`;
  const appends = (await usesIn("a.js", code)).filter(({ pattern }) => pattern === "append");
  const says = appends.map((use) => replacementFor(use).code.startsWith("// a message needs a role: "));
  expect(says).toEqual([true, true, false]);
});

/** Python: what is done, and then what is told of it. */
const PYTHON = [
  'result = SESSIONS.get(sid, {}).get("messages", [])',
  'result = SESSIONS.get(sid, {}).get("messages", [])[-2:]',
  'result = SESSIONS.get(sid, {}).get("context", {})',
  'result = SESSIONS.get(sid, {}).get("context", {}).get("city", "Nowhere")',
  'result = SESSIONS.get(sid, {}).get("context", {}).get(key, "Nowhere")',
  "result = sid in SESSIONS",
  "result = sid not in SESSIONS",
  'result = SESSIONS.setdefault(sid, {"messages": [{"role": "system", "content": "Be kind"}], "context": {"city": "Rome"}})',
  'SESSIONS[sid] = SESSIONS.get(sid) or {"messages": [], "context": {}}',
  'SESSIONS[sid]["messages"].append({"role": "user", "content": "Hi", "timestamp": str(datetime(2026, 1, 2)), "tags": ["a"]})',
  'SESSIONS[sid]["messages"].append({"role": "human", "content": None, "id": "m-1"})',
  'SESSIONS[sid]["messages"].append({"role": "assistant", "content": [{"type": "text", "text": "Hello"}]})',
  'result = SESSIONS[sid]["messages"][-1]',
  'result = SESSIONS[sid]["messages"][-2:]',
  'result = SESSIONS[sid]["messages"][0]["content"]',
  'result = SESSIONS[sid]["context"][key]',
  'SESSIONS[sid]["context"].update(**changes)',
  'SESSIONS[sid]["context"]["turns"] = 1',
  'result = SESSIONS[sid]["context"].setdefault("lang", "en")',
  'result = SESSIONS[sid]["context"].setdefault("lang", "it")',
  "result = len(SESSIONS)",
  "result = list(SESSIONS)",
  'del SESSIONS[sid]["context"]["city"]',
  'result = SESSIONS[sid]["context"]',
  'result = SESSIONS[sid]["messages"]',
  'SESSIONS[sid] = {"messages": [{"role": "system", "content": "Anew"}], "context": {}}',
  'result = SESSIONS.get(sid, {}).get("messages", [])',
  'SESSIONS.update({"other": {"messages": [{"role": "user", "content": "Hi"}], "context": {"a": 1}}})',
  'result = SESSIONS["other"]["messages"]',
  "SESSIONS.pop('other')",
  "result = SESSIONS.pop(sid)",
  "result = sid in SESSIONS",
];

const python = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]);
const missing = python.status === 0 ? null : "python3 of version 3.9 or later is not installed";

/** @returns a service, and a directory with the module that calls it */
async function startPythonService(): Promise<{ url: string; directory: string }> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const { url } = await startService([], { DATABASE_URL: databaseUrl, LOG_LEVEL: "error" });
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "session_store.py"), PYTHON_SETUP);
  return { url, directory };
}

test("in Python, line by line, the service does what the dictionary did", { timeout: 60_000 }, async ({ skip }) => {
  if (missing !== null) skip(missing);
  const { url, directory } = await startPythonService();
  for (const how of ["def", "async def"]) {
    const uses = await usesIn(
      "a.py",
      `SESSIONS = {}\n${how} f(sid, key, changes):\n${PYTHON.map((line) => `    ${line}\n`).join("")}    return result\n`,
    );
    const steps = PYTHON.map((before, i) => {
      const use = uses.find(({ line }) => line === i + 3);
      expect(use, before).toBeDefined();
      return { before, after: replacementFor(use!).code };
    });
    const program = `
import ast, asyncio, inspect, json, sys
from datetime import datetime
from session_store import async_store, store
names = dict(SESSIONS={}, sid="${how.replace(" ", "-")}", key="city", changes={"city": "Oslo"}, datetime=datetime, store=store, async_store=async_store)
def run(code):
    names["result"] = None
    done = eval(compile(code, "-", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(done):
        asyncio.run(done)
    return names["result"]
for step in json.load(sys.stdin):
    print(json.dumps([json.loads(json.dumps(run(step["before"]), default=str)), run(step["after"])]))
`;
    const { stdout, stderr } = spawnSync("python3", ["-B", "-c", program], {
      input: JSON.stringify(steps),
      encoding: "utf8",
      env: { ...process.env, PYTHONPATH: directory, BACKSCROLL_URL: url },
    });
    expect(stderr).toBe("");
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as [unknown, unknown]);
    expect(results).toHaveLength(PYTHON.length);
    for (const [i, [before, after]] of results.entries()) expect(after, steps[i]!.after).toEqual(before);
  }
});

test("in Python, what the service refuses is an error that says why", { timeout: 60_000 }, async ({ skip }) => {
  if (missing !== null) skip(missing);
  const { url, directory } = await startPythonService();
  const program = `
from session_store import BackscrollError, store
store.append("many", *({"role": "user", "content": str(i)} for i in range(250)))
print(len(store.messages("many")), store.messages("many", limit=201)[0]["content"], store.ids())
for session_id, message in (("a/b", {"role": "user", "content": "x"}), ("a", {"role": "nobody", "content": "x"})):
    try:
        store.append(session_id, message)
    except BackscrollError as error:
        print(error.status)
`;
  const { stdout, stderr } = spawnSync("python3", ["-B", "-c", program], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: directory, BACKSCROLL_URL: url },
  });
  expect(stderr).toBe("");
  expect(stdout).toBe("250 49 ['many']\n400\n400\n");
});
