import { expect, test } from "vitest";
import { createParser } from "../../src/sessions-scan/parser.ts";
import { PYTHON_SETUP } from "../../src/sessions-scan/replacement-python.ts";
import { TYPESCRIPT_SETUP } from "../../src/sessions-scan/replacement-typescript.ts";
import { replacementFor } from "../../src/sessions-scan/replacement.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { applications, snippets, writeSample } from "./corpus.ts";

test("every replacement of the corpus is code in its language", async () => {
  const parser = await createParser();
  const broken: string[] = [];
  let parsed = 0;
  for (const sample of [...snippets(), ...applications()]) {
    const { uses } = await scanSessions(writeSample(sample));
    for (const use of uses) {
      const { code } = replacementFor(use);
      if (code === "") continue;
      parsed += 1;
      const whole = use.language === "python" ? `async def f():\n    ${code.replaceAll("\n", "\n    ")}\n` : code;
      const { brokenLines } = parser.parse(use.language === "python" ? "a.py" : "a.ts", whole);
      if (brokenLines.length > 0) broken.push(`${sample.name} ${use.line} ${use.pattern}: ${code}`);
    }
  }
  expect(broken).toEqual([]);
  expect(parsed).toBeGreaterThan(200);
  expect(parser.parse("a.ts", TYPESCRIPT_SETUP).brokenLines).toEqual([]);
  expect(parser.parse("a.py", PYTHON_SETUP).brokenLines).toEqual([]);
});
