import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const PACKAGE = join(import.meta.dirname, "..");
const SOURCES = readdirSync(join(PACKAGE, "src")).map((name) => ({
  name,
  text: readFileSync(join(PACKAGE, "src", name), "utf8"),
}));

test("the client imports nothing but its own files, so it runs where there is no Node", () => {
  const imports = SOURCES.flatMap(({ text }) =>
    [...text.matchAll(/(?:\bfrom |\bimport\(|^import )"([^"]+)"/gm)].map(([, from]) => from),
  );
  expect(imports.length).toBeGreaterThan(10);
  expect(imports.filter((from) => !/^\.\/[a-z-]+\.ts$/.test(from ?? ""))).toEqual([]);
});

test("the client uses no global of Node's", () => {
  const uses = SOURCES.filter(({ text }) =>
    /\b(process|Buffer|require|global|__dirname|setImmediate)\b[.([]/.test(text),
  );
  expect(uses.map(({ name }) => name)).toEqual([]);
});

test("the client has no dependencies", () => {
  const manifest = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as Record<string, unknown>;
  expect([manifest["dependencies"], manifest["peerDependencies"], manifest["optionalDependencies"]]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
