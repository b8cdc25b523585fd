import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test as base } from "vitest";
import { findChromium } from "../../backscroll/test/find-chromium.ts";
import { type ScriptedServices, scriptedServices } from "../../backscroll/test/scripted-responder.ts";

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };
/** For `expect.poll`: a busy machine may take a while. */
export const POLL = { timeout: 10_000, interval: 20 };
export const ADA = "you@localhost";

let browser: Browser;

/** For each file that uses `test`. */
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGS });
}, 300_000);

afterAll(() => browser.close());

/** A service of this test, whose replies it writes, and a browser that opens the app on it. */
export interface AppStage {
  readonly services: ScriptedServices;
  /** @returns a new tab, at a path of the app; tabs of a test share cookies and storage */
  open(path?: string, options?: BrowserContextOptions): Promise<Page>;
  /** what the tabs' consoles complained of, uncaught errors and refusals by the page's policy among it */
  readonly complaints: readonly string[];
  /** Takes what was complained so far for granted. */
  forgive(pattern: RegExp): void;
}

export const test = base.extend<{ stage: AppStage }>({
  // oxlint-disable-next-line no-empty-pattern -- how Vitest reads a fixture's dependencies
  stage: async ({}, use) => {
    const services = await scriptedServices({ local: true });
    const complaints: string[] = [];
    const forgiven: RegExp[] = [];
    let context: BrowserContext | undefined;
    await use({
      services,
      complaints,
      forgive: (pattern) => void forgiven.push(pattern),
      async open(path = "/", options = {}) {
        context ??= await newContext(services.url, options, complaints);
        const page = await context.newPage();
        await page.goto(path);
        return page;
      },
    });
    await context?.close();
    expect(complaints.filter((complaint) => !forgiven.some((pattern) => pattern.test(complaint)))).toEqual([]);
  },
});

async function newContext(
  baseURL: string,
  options: BrowserContextOptions,
  complaints: string[],
): Promise<BrowserContext> {
  const context = await browser.newContext({ baseURL, viewport: DESKTOP, ...options });
  context.setDefaultTimeout(10_000);
  context.on("weberror", (error) => complaints.push(String(error.error())));
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  return context;
}
