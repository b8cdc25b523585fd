import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { knownRole } from "../../src/domain/session-message.ts";
import { ROLE_WORDS } from "../../src/sessions-scan/message-roles.ts";
import { createParser } from "../../src/sessions-scan/parser.ts";
import { PYTHON_SETUP } from "../../src/sessions-scan/python-setup.ts";
import { replacementFor } from "../../src/sessions-scan/replacement.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { applications, snippets, writeSample } from "./corpus.ts";

const python = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]);
const missing = python.status === 0 ? null : "python3 of version 3.9 or later is not installed";

const METHODS = /(?:async_)?store\.(\w+)\(/g;

/** Each as Python itself reads it. @returns what it cannot read, and why */
function brokenInPython(codes: readonly string[]): string[] {
  const program = `
import ast, json, sys
for code in json.load(sys.stdin):
    try:
        ast.parse(code)
    except SyntaxError as error:
        print(json.dumps(f"{error}: {code}"))
`;
  const { stdout } = spawnSync("python3", ["-c", program], { input: JSON.stringify(codes), encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}

test("every replacement of the corpus is code in its language, and calls what the store has", async ({ skip }) => {
  if (missing !== null) skip(missing);
  const parser = await createParser();
  const broken: string[] = [];
  const inPython: string[] = [];
  const methods = new Set<string>();
  let parsed = 0;
  for (const sample of [...snippets(), ...applications()]) {
    const { uses } = await scanSessions(writeSample(sample));
    for (const use of uses) {
      const { code } = replacementFor(use);
      if (code === "") continue;
      parsed += 1;
      const whole = use.language === "python" ? `async def f():\n    ${code.replaceAll("\n", "\n    ")}\n` : code;
      const { brokenLines } = parser.parse(use.language === "python" ? "a.py" : "a.ts", whole);
      if (use.language === "python") {
        inPython.push(whole);
        for (const [, method] of code.matchAll(METHODS)) methods.add(method!);
      }
      if (brokenLines.length > 0) broken.push(`${sample.name} ${use.line} ${use.pattern}: ${code}`);
    }
  }
  expect(broken).toEqual([]);
  expect(parsed).toBeGreaterThan(200);
  expect(brokenInPython([...inPython, PYTHON_SETUP])).toEqual([]);
  expect(brokenInPython(["f("])).toHaveLength(1);
  const known = [...PYTHON_SETUP.matchAll(/^ {4}def ([a-z]\w*)\(self/gm)].map(([, name]) => name);
  expect(known).toEqual(expect.arrayContaining([...methods]));
  expect(methods.size).toBeGreaterThan(6);
});

test("the scan, and Python's store, know the words for roles that the library knows", () => {
  for (const word of ROLE_WORDS) {
    const ours = new RegExp(`"${word}": "(\\w+)"`).exec(PYTHON_SETUP)?.[1] ?? word;
    expect(ours, word).toBe(knownRole(word));
  }
  expect(knownRole("agent")).toBeUndefined();
});
