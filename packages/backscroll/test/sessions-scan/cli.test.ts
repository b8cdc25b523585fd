import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand, temporaryDirectory } from "../service-process.ts";
import { writeSample } from "./corpus.ts";

const CHAT = `import express from "express";
const app = express();
const sessions = new Map<string, { messages: { role: string; content: string }[]; context: object }>();
const WINDOW = 20;

app.post("/chat", async (req, res) => {
  const { id, text } = req.body;
  if (!sessions.has(id)) {
    sessions.set(id, { messages: [], context: {} });
  }
  sessions.get(id)!.messages.push({ role: "user", content: text });
  const reply = await ask(sessions.get(id)!.messages.slice(-WINDOW));
  sessions.get(id)!.messages.push({ role: "assistant", content: reply });
  res.json({ reply });
});

app.get("/chat/:id", async (req, res) => {
  if (!(sessions.has(req.params.id))) return res.sendStatus(404);
  const messages = sessions.get(req.params.id)?.messages ?? [];
  res.json(messages);
});

app.delete("/chat/:id", async (req, res) => {
  sessions.delete(req.params.id);
  res.sendStatus(204);
});
`;

function directoryWith(files: Record<string, string>): string {
  return writeSample({ files: new Map(Object.entries(files)) });
}

test("a table, a summary for each file, and the mapping document with code for each place", async () => {
  const directory = directoryWith({ "chat.ts": CHAT });
  const output = join(temporaryDirectory(), "MIGRATION.md");

  const { status, stdout, stderr } = await runCommand(["sessions", "scan", directory, "--output", output]);

  expect(status).toBe(0);
  expect(stdout).toContain('chat.ts:11  append   sessions.get(id)!.messages.push({ role: "user", content: text });');
  expect(stdout).toContain("chat.ts: 1 declare, 1 create, 2 check, 2 append, 1 read, 1 last-n, 1 delete");
  expect(stderr).toContain(`Wrote ${output}`);
  const document = readFileSync(output, "utf8");
  expect(document).toContain('| 11 | append | `sessions.get(id)!.messages.push({ role: "user", content: text });` |');
  expect(document).toContain('await store.append(id, { role: "user", content: text });');
  expect(document).toContain("(await store.get(id, { limit: WINDOW }))?.messages ?? []");
  expect(document).toContain("| `if (!(sessions.has(req.params.id))) return res.sendStatus(404);` | Ask whether");
});

test("--json says the same to a program, and writes no document", async () => {
  const { stdout } = await runCommand(["--json", "sessions", "scan", directoryWith({ "chat.ts": CHAT })]);

  const { files, dictionaries, patterns, uses } = JSON.parse(stdout);
  expect({ files, dictionaries, patterns }).toEqual({
    files: 1,
    dictionaries: [{ name: "sessions", file: "chat.ts", line: 3, uses: 9 }],
    patterns: { declare: 1, create: 1, check: 2, append: 2, read: 1, "last-n": 1, delete: 1 },
  });
  expect(uses[3]).toEqual({
    file: "chat.ts",
    line: 11,
    pattern: "append",
    dictionary: "sessions",
    code: 'sessions.get(id)!.messages.push({ role: "user", content: text });',
    reason: null,
    replacement: { what: "Save the message", code: 'await store.append(id, { role: "user", content: text });' },
  });
});

test("what does not parse, is no text or cannot be read is said, and the rest is scanned", async () => {
  const directory = directoryWith({
    "ok.py": 'SESSIONS = {}\ndef f(sid, m):\n    SESSIONS[sid]["messages"].append(m)\n',
    "broken.py": "SESSIONS = {}\ndef f(:\n    SESSIONS[sid]['messages'].append({'role': 'user'})\n",
    "secret.py": "x = {}",
  });
  writeFileSync(join(directory, "latin.py"), Buffer.from("x = {}  # \xe9\n", "latin1"));
  chmodSync(join(directory, "secret.py"), 0);

  const { status, stdout, stderr } = await runCommand([
    "sessions",
    "scan",
    directory,
    "--output",
    join(directory, "M.md"),
  ]);

  expect(status).toBe(0);
  expect(stdout).toContain("ok.py:3");
  expect(stderr).toContain("broken.py:2 does not parse here; the rest of the file was looked at");
  expect(stderr).toContain("latin.py is not UTF-8: left out");
  // root reads everything
  if (process.getuid?.() !== 0) expect(stderr).toContain("secret.py cannot be read: EACCES");
  expect(readFileSync(join(directory, "M.md"), "utf8")).toContain("## Not read");
});

test("node_modules, build folders and what .gitignore names are left out, and what it names again is not", async () => {
  const source = "SESSIONS = {}\ndef f(sid, m):\n    SESSIONS[sid]['messages'].append(m)\n";
  const paths = [
    "a.py",
    "node_modules/x/a.py",
    ".venv/a.py",
    "dist/a.py",
    "old/a.py",
    "old/kept/a.py",
    "sub/gen_a.py",
    "sub/b.py",
  ];
  const directory = directoryWith({
    ...Object.fromEntries(paths.map((path) => [path, source])),
    ".gitignore": "old/*\n!old/kept/\n",
    "sub/.gitignore": "gen_*.py\n",
  });

  const { stdout } = await runCommand(["--json", "sessions", "scan", directory]);

  const found = JSON.parse(stdout).dictionaries.map(({ file }: { file: string }) => file);
  expect(found).toEqual(["a.py", "old/kept/a.py", "sub/b.py"]);
});

test("a directory without any says so; one that is not there is a usage error", async () => {
  const none = await runCommand(["sessions", "scan", directoryWith({ "a.py": "x = {}\n" })]);
  expect(none).toMatchObject({ status: 0, stdout: "" });
  expect(none.stderr).toContain("No session dictionary in 1 files.");

  const missing = await runCommand(["sessions", "scan", "/nowhere/at/all"]);
  expect(missing).toMatchObject({ status: 2, stdout: "" });
  expect(missing.stderr).toContain("/nowhere/at/all is not a directory");
});

test("a MIGRATION.md of somebody else's is not written over", async () => {
  const directory = directoryWith({ "chat.ts": CHAT, "MIGRATION.md": "# From v1 to v2\n" });

  const { status, stderr } = await runCommand([
    "sessions",
    "scan",
    directory,
    "--output",
    join(directory, "MIGRATION.md"),
  ]);

  expect(status).toBe(1);
  expect(stderr).toContain("was not written by this command");
  expect(readFileSync(join(directory, "MIGRATION.md"), "utf8")).toBe("# From v1 to v2\n");
});

test("--fix moves a file whose every write is certain; a second run changes nothing", async () => {
  const directory = directoryWith({ "src/chat.ts": CHAT });

  const asked = await runCommand(["sessions", "scan", directory, "--fix"]);
  expect(asked.status).toBe(2);
  expect(asked.stdout).toContain("+  await store.clear(req.params.id);");
  expect(readFileSync(join(directory, "src/chat.ts"), "utf8")).toBe(CHAT);

  const fixed = await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);
  expect(fixed.status).toBe(0);
  const after = readFileSync(join(directory, "src/chat.ts"), "utf8");
  expect(after).toBe(`import express from "express";
import { store } from "../session-store";
const app = express();
// backscroll: declare: nothing: the store keeps the sessions. Delete it when nothing below is left
const sessions = new Map<string, { messages: { role: string; content: string }[]; context: object }>();
const WINDOW = 20;

app.post("/chat", async (req, res) => {
  const { id, text } = req.body;
  await store.create(id);
  await store.append(id, { role: "user", content: text });
  const reply = await ask(((await store.get(id, { limit: WINDOW }))?.messages ?? []));
  await store.append(id, { role: "assistant", content: reply });
  res.json({ reply });
});

app.get("/chat/:id", async (req, res) => {
  if (!(await store.has(req.params.id))) return res.sendStatus(404);
  const messages = (await store.get(req.params.id))?.messages ?? [];
  res.json(messages);
});

app.delete("/chat/:id", async (req, res) => {
  await store.clear(req.params.id);
  res.sendStatus(204);
});
`);

  await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);
  expect(readFileSync(join(directory, "src/chat.ts"), "utf8")).toBe(after);
});

test("--fix leaves what reads on the dictionary while anything writes to it without the store", async () => {
  const directory = directoryWith({
    "state.ts": "export const sessions = new Map<string, { messages: any[] }>();\n",
    "a.ts": `import { sessions } from "./state.js";
const store = 1;
export async function add(id: string, content: string) {
  sessions.get(id)!.messages.push({ role: "user", content });
  return sessions.get(id)!.messages.slice(-20);
}
`,
    "b.ts": `import { sessions } from "./state.js";
export function addNow(id: string, content: string) {
  if (content) sessions.get(id)!.messages.push({ role: "user", content });
}
`,
    "c.py": "import json\nSESSIONS = {}\ndef f(sid, m):\n    SESSIONS[sid]['messages'].append(m)\n",
  });

  const { stderr } = await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);

  expect(stderr).toContain(
    "Still used beside the store: sessions (state.ts:1). Until nothing is marked, it has to be its",
  );
  const read = (file: string): string => readFileSync(join(directory, file), "utf8");
  expect(read("a.ts")).toBe(`import { sessions } from "./state.js";
import { store as sessionStore } from "./session-store.js";
const store = 1;
export async function add(id: string, content: string) {
  await sessionStore.append(id, { role: "user", content });
  // backscroll: last-n: read the last N messages
  return sessions.get(id)!.messages.slice(-20);
}
`);
  expect(read("b.ts")).toContain("  // backscroll: append: save the message\n  if (content) sessions");
  expect(read("c.py")).toContain("    # backscroll: append: save the message\n    SESSIONS[sid]");
  const before = read("a.ts") + read("b.ts") + read("c.py");
  await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);
  expect(read("a.ts") + read("b.ts") + read("c.py")).toBe(before);
});

test("--fix says why it rewrites nothing of two dictionaries, and nothing of a script", async () => {
  const two = directoryWith({ "chat.ts": CHAT, "chats.ts": CHAT.replaceAll("sessions", "chats") });
  const first = await runCommand(["sessions", "scan", two, "--fix", "--yes"]);
  expect(first.stderr).toContain("Nothing is rewritten: sessions (chat.ts:3), chats (chats.ts:3) are 2 dictionaries");

  const script = directoryWith({ "chat.js": CHAT.replace(/import.*\n/, "").replaceAll(/<string.*>|!/g, "") });
  const second = await runCommand(["sessions", "scan", script, "--fix", "--yes"]);
  expect(second.stderr).toContain("chat.js is only marked: it may be CommonJS, and would need an `import`");
});

test("--fix leaves a file alone that has changes which are not committed", async () => {
  const directory = directoryWith({ "chat.ts": CHAT });
  const git = (...args: string[]): Buffer =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: directory });
  git("init", "-q");

  const untracked = await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);
  expect(untracked.stderr).toContain("chat.ts is left alone: it has changes that are not committed");
  expect(readFileSync(join(directory, "chat.ts"), "utf8")).toBe(CHAT);

  git("add", ".");
  git("commit", "-qm", "before");
  await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);
  expect(readFileSync(join(directory, "chat.ts"), "utf8")).toContain("store.append");
  expect(existsSync(join(directory, "chat.ts.unfinished"))).toBe(false);
});

test("--fix writes nothing where git cannot say what is not committed", async () => {
  const directory = directoryWith({ "chat.ts": CHAT, ".git": "gitdir: nowhere\n" });

  const { status, stderr } = await runCommand(["sessions", "scan", directory, "--fix", "--yes"]);

  expect(status).toBe(1);
  expect(stderr).toContain("git does not say what is not committed: fatal:");
  expect(readFileSync(join(directory, "chat.ts"), "utf8")).toBe(CHAT);
});
