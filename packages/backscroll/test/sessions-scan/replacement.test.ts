import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createParser } from "../../src/sessions-scan/parser.ts";
import { PYTHON_SETUP } from "../../src/sessions-scan/replacement-python.ts";
import { TYPESCRIPT_SETUP } from "../../src/sessions-scan/replacement-typescript.ts";
import { replacementFor } from "../../src/sessions-scan/replacement.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { applications, snippets, writeSample } from "./corpus.ts";

const OPENAPI = fileURLToPath(new URL("../../../../openapi.json", import.meta.url));

/** `get /api/sessions/{}` of every request in a replacement. */
function requestsIn(code: string): string[] {
  const calls = code.matchAll(/\b(?:async_)?api\.(\w+)\(f?"([^"]+)"/g);
  return [...calls].map(([, method, path]) => `${method} ${path!.replaceAll(/\{[^}]*\}/g, "{}")}`);
}

test("every replacement of the corpus is code in its language, and asks for what the API has", async () => {
  const parser = await createParser();
  const broken: string[] = [];
  const requests = new Set<string>();
  let parsed = 0;
  for (const sample of [...snippets(), ...applications()]) {
    const { uses } = await scanSessions(writeSample(sample));
    for (const use of uses) {
      const { code } = replacementFor(use);
      if (code === "") continue;
      parsed += 1;
      const whole = use.language === "python" ? `async def f():\n    ${code.replaceAll("\n", "\n    ")}\n` : code;
      const { brokenLines } = parser.parse(use.language === "python" ? "a.py" : "a.ts", whole);
      if (use.language === "python") for (const request of requestsIn(code)) requests.add(request);
      if (brokenLines.length > 0) broken.push(`${sample.name} ${use.line} ${use.pattern}: ${code}`);
    }
  }
  expect(broken).toEqual([]);
  expect(parsed).toBeGreaterThan(200);
  const { paths } = JSON.parse(readFileSync(OPENAPI, "utf8")) as { paths: Record<string, object> };
  const known = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path.replaceAll(/\{[^}]*\}/g, "{}")}`),
  );
  expect(known).toEqual(expect.arrayContaining([...requests]));
  expect(requests.size).toBeGreaterThan(6);
  expect(parser.parse("a.ts", TYPESCRIPT_SETUP).brokenLines).toEqual([]);
  expect(parser.parse("a.py", PYTHON_SETUP).brokenLines).toEqual([]);
});
