import axe from "axe-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { DESKTOP, PHONE, test } from "./app-test.ts";
import { SCREENS } from "./screens.ts";

/** `npm run shots` names a folder: pictures of every screen, in both themes and widths. */
const FOLDER = process.env["SHOTS"];
const THEMES = ["light", "dark"] as const;
/** Each with the narrowest that its layout is for. */
const WIDTHS = [
  [DESKTOP, 768],
  [PHONE, 320],
] as const;

for (const screen of SCREENS) {
  const { name, forgives, settings = {} } = screen;
  const at = test.extend({ settings });
  for (const [viewport, narrowest] of WIDTHS) {
    at(
      `${name}, at ${viewport.width}: nothing for axe to complain of, nothing wider than the page`,
      async ({ stage }) => {
        if (forgives) stage.forgive(forgives);
        const page = await stage.open("/", { viewport, reducedMotion: "reduce" });
        await screen.show(page, stage);
        for (const colorScheme of THEMES) {
          await page.emulateMedia({ colorScheme });
          await nextFrames(page);
          if (FOLDER !== undefined) await takePicture(page, FOLDER, `${name} ${viewport.width} ${colorScheme}`);
          expect(await violations(page), colorScheme).toEqual([]);
        }
        expect(await overflowing(page)).toEqual([]);
        await page.setViewportSize({ ...viewport, width: narrowest });
        expect(await overflowing(page), String(narrowest)).toEqual([]);
      },
    );
  }
}

/** What was changed has been laid out and painted then. */
async function nextFrames(page: Page): Promise<void> {
  await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))),
  );
}

/** @returns what axe finds, with where */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target }) => target).join("; ")}`);
}

/** @returns what reaches beyond the right edge of the page, or makes it scroll sideways */
async function overflowing(page: Page): Promise<string[]> {
  await nextFrames(page);
  return page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const wide = [...document.querySelectorAll("body *")].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1,
    );
    return [`${scrollWidth} of ${clientWidth}`, ...wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120))];
  });
}

async function takePicture(page: Page, folder: string, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name.replaceAll(/[^a-z0-9]+/gi, "-")}.png`) });
}
