import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test as plain, vi } from "vitest";
import { ImportErrors } from "../src/cli/import-errors.ts";
import { createTerminal } from "../src/cli/terminal.ts";
import { ADA, messagesOf } from "./import-sessions-fixture.ts";
import { runCommand, temporaryDirectory } from "./service-process.ts";
import { type Services, test } from "./services.ts";

const environmentOf = ({ databaseUrl }: Services): Record<string, string> => ({ DATABASE_URL: databaseUrl });
const quiet = createTerminal({ quiet: true });

const GOOD = '{"s": [{"role": "user", "content": "Hi"}]}';
const BAD = '{"s": [{"role": "user", "content": "Hi"}, 5], "t": null}';

function fileOf(text: string): string {
  const file = join(temporaryDirectory(), "sessions.json");
  writeFileSync(file, text);
  return file;
}

const importing = (services: Services, file: string, ...args: string[]): ReturnType<typeof runCommand> =>
  runCommand(["import", "sessions", file, "--user", ADA, ...args], environmentOf(services));

test("after a run without errors there is no file of errors: that of the run before is called old", async ({
  services,
}) => {
  const file = fileOf(BAD);
  const bad = await importing(services, file);
  expect([bad.status, bad.stderr]).toEqual([1, expect.stringContaining("2 items could not be imported")]);
  const lines = readFileSync(`${file}.errors.jsonl`, "utf8");
  expect(lines.trim().split("\n")).toHaveLength(2);
  writeFileSync(file, GOOD);
  expect((await importing(services, file)).status).toBe(0);
  expect(existsSync(`${file}.errors.jsonl`)).toBe(false);
  expect(readFileSync(`${file}.errors.jsonl.old`, "utf8")).toBe(lines);
}, 60_000);

plain.for([
  ["the dump", (file: string) => file, "it is the dump itself"],
  ["a link to the dump", linkTo, "it is the dump itself"],
  ["a directory", (file: string) => join(file, ".."), "it is a directory"],
  ["in no directory", (file: string) => join(file, "..", "absent", "errors"), "cannot write"],
] as const)("a file of errors that is %s is refused before anything is begun", async ([, place, told]) => {
  const file = fileOf(BAD);
  const { status, stderr } = await runCommand(["import", "sessions", file, "--user", ADA, "--errors", place(file)]);
  expect([status, stderr]).toEqual([2, expect.stringContaining(told)]);
  expect(readFileSync(file, "utf8")).toBe(BAD);
});

function linkTo(file: string): string {
  symlinkSync(file, `${file}.link`);
  return `${file}.link`;
}

plain("a dump with the name that the old errors would get is not written over", () => {
  const errors = join(temporaryDirectory(), "errors");
  writeFileSync(errors, "old");
  writeFileSync(`${errors}.old`, BAD);
  expect(() => new ImportErrors(quiet, errors, `${errors}.old`)).toThrow(/would be moved to the dump/);
  expect([errors, `${errors}.old`].map((file) => readFileSync(file, "utf8"))).toEqual(["old", BAD]);
});

plain("two runs with one file of errors keep all that either could not import", () => {
  const directory = temporaryDirectory();
  const path = join(directory, "errors");
  const linesOf = (name: string): string => readFileSync(join(directory, name), "utf8");
  const told = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => told.mockRestore());
  // Both begin before either has an error.
  const [first, second] = [new ImportErrors(quiet, path), new ImportErrors(quiet, path)];
  first.add({ run: 1 }, "");
  second.add({ run: 2 }, "");
  // This one begins while they run.
  const third = new ImportErrors(quiet, path);
  first.add({ run: 1, n: 2 }, "");
  third.add({ run: 3 }, "");
  for (const errors of [first, second, third]) errors.close();
  expect(readdirSync(directory).toSorted()).toEqual(["errors", "errors.2", "errors.old"]);
  expect(linesOf("errors.old")).toBe('{"run":1}\n{"run":1,"n":2}\n');
  expect(linesOf("errors.2")).toBe('{"run":2}\n');
  expect(linesOf("errors")).toBe('{"run":3}\n');
  const places = told.mock.calls.flatMap(([text]) => /is in (\S+)\./.exec(String(text))?.[1] ?? []);
  expect(places).toEqual([`${path}.old`, `${path}.2`, path]);
});

test("a file of errors that cannot be written any more ends the import, and says to run it again", async ({
  services,
}) => {
  const { status, stderr } = await importing(services, fileOf(BAD), "--errors", "/dev/full");
  expect([status, stderr]).toEqual([1, expect.stringMatching(/cannot write \/dev\/full: .*ENOSPC.*; .*run it again/)]);
  const again = await importing(services, fileOf(GOOD), "--errors", "/dev/full");
  expect(again.status).toBe(0);
  expect(await messagesOf(services, "s")).toHaveLength(1);
}, 60_000);

const COMMAND = `"${process.execPath}" --conditions=backscroll-source "${join(import.meta.dirname, "../src/cli/main.ts")}" import sessions`;

test.for([
  ["a substitution of the shell", `${COMMAND} <(cat "$DUMP") --user ${ADA} --errors "$DUMP.errors"`],
  [
    "a named pipe",
    `mkfifo "$DUMP.pipe"; (cat "$DUMP" > "$DUMP.pipe") & ${COMMAND} "$DUMP.pipe" --user ${ADA} --errors "$DUMP.errors"`,
  ],
] as const)("%s is read as standard input is", { timeout: 60_000 }, async ([, script], { services }) => {
  const messages = Array.from({ length: 3_000 }, (_, n) => ({ role: "user", content: `${n} ${"x".repeat(100)}` }));
  const env = {
    PATH: process.env["PATH"] ?? "",
    DUMP: fileOf(JSON.stringify({ s: messages })),
    ...environmentOf(services),
  };
  const { status, stderr } = spawnSync("bash", ["-c", script], {
    encoding: "utf8",
    env,
    timeout: 40_000,
    killSignal: "SIGKILL",
  });
  expect([status, stderr]).toEqual([0, expect.stringContaining("Imported 3,000 messages")]);
});

plain.for([
  ["a directory", "directory", "it is a directory"],
  ["a device", "/dev/null", "- is standard input"],
] as const)("%s is no dump, and that is told before anything is begun", async ([, name, told]) => {
  const directory = join(temporaryDirectory(), "directory");
  mkdirSync(directory);
  const file = name === "directory" ? directory : name;
  const { status, stderr } = await runCommand(["import", "sessions", file, "--user", ADA]);
  expect([status, stderr]).toEqual([2, expect.stringContaining(told)]);
});

test.for([
  ["standard input", `${COMMAND} - --user ${ADA} --errors "$DUMP.errors"`],
  ["a pipe", `${COMMAND} "$DUMP.pipe" --user ${ADA} --errors "$DUMP.errors"`],
] as const)("one Ctrl+C ends an import that waits for %s", { timeout: 60_000 }, async ([, script], { services }) => {
  const DUMP = fileOf("");
  expect(spawnSync("mkfifo", [`${DUMP}.pipe`]).status).toBe(0);
  const env = { PATH: process.env["PATH"] ?? "", DUMP, ...environmentOf(services) };
  const command = spawn("bash", ["-c", `exec ${script}`], { env, stdio: ["pipe", "ignore", "pipe"] });
  onTestFinished(() => void command.kill("SIGKILL"));
  // Somebody who has begun to write, and has not ended.
  const writer = script.includes(".pipe")
    ? spawn("bash", ["-c", 'exec > "$DUMP.pipe"; cat'], { env, stdio: ["pipe", "ignore", "ignore"] })
    : command;
  onTestFinished(() => void writer.kill("SIGKILL"));
  writer.stdin.write('{"s": [{"role": "user", "content": "Hi"}], "t": [');
  let stderr = "";
  command.stderr.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
  const ended = new Promise<number | null>((resolve) => void command.once("close", resolve));
  await vi.waitFor(async () => expect(await messagesOf(services, "s")).toHaveLength(1), 30_000);
  command.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(stderr).toContain("run it again, and it goes on where it was");
});
