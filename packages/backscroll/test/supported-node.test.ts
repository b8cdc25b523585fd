import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { refusalOf } from "../src/supported-node.ts";

test.for(["22.12.0", "22.21.1", "24.0.0", "25.1.0", "100.0.0"])("Node.js %s is taken", (version) => {
  expect(refusalOf(version)).toBeNull();
});

test.for(["22.11.0", "22.0.0", "20.20.2", "18.20.8", "9.99.0"])("Node.js %s is told what is needed", (version) => {
  const refusal = refusalOf(version);
  expect(refusal).toContain(`needs Node.js 22.12 or later; this is ${version}`);
  expect(refusal).toContain("nodejs.org");
});

test("what npm is told is what is refused", () => {
  const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    engines: { node: string };
  };
  const oldest = engines.node.replace(">=", "");
  expect(refusalOf(`${oldest}.0`)).toBeNull();
  const [major = 0, minor = 0] = oldest.split(".").map(Number);
  expect(refusalOf(`${major}.${minor - 1}.0`)).not.toBeNull();
});
