import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const ASSETS = join(DIST, "assets");

/** @returns what is loaded before anything is shown */
function initial(extension: ".js" | ".css"): string[] {
  const page = readFileSync(join(DIST, "index.html"), "utf8");
  const wanted = [...page.matchAll(/(?:src|href)="\/assets\/([^"]+)"/g)].map(([, name = ""]) => name);
  for (const name of wanted) {
    if (!name.endsWith(".js")) continue;
    // What a file imports as it is read; `import()` comes later.
    const imports = readFileSync(join(ASSETS, name), "utf8").matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g);
    for (const [, imported = ""] of imports) if (!wanted.includes(imported)) wanted.push(imported);
  }
  return wanted.filter((name) => name.endsWith(extension));
}

function gzipKb(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + gzipSync(readFileSync(join(ASSETS, name))).length / 1_000, 0);
}

test("what is loaded at first has at most 150 kB of JavaScript and 10 kB of CSS", () => {
  expect(initial(".js").length).toBeGreaterThan(0);
  expect(gzipKb(initial(".js"))).toBeLessThan(150);
  expect(gzipKb(initial(".css"))).toBeLessThan(10);
});

test("formulas, charts, menus and the colours of code are loaded when they are used", () => {
  const later = readdirSync(ASSETS).filter((name) => name.endsWith(".js") && !initial(".js").includes(name));
  for (const part of ["katex", "plot", "menu", "highlight-worker", "thread", "settings-page", "operator-page"]) {
    expect(
      later.some((name) => name.startsWith(`${part}-`)),
      part,
    ).toBe(true);
  }
});

test("no file is loaded from elsewhere", () => {
  for (const name of readdirSync(ASSETS)) {
    if (!/\.(?:js|css)$/.test(name)) continue;
    const text = readFileSync(join(ASSETS, name), "utf8");
    expect(text.match(/(?:url\(|import\(?\s*|fetch\(|src=)["'`]?(?:https?:)?\/\/[^"'`)\s]+/g) ?? [], name).toEqual([]);
  }
});
