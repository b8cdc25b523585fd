import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect, test as base } from "vitest";
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

/** What a test may choose of its service. */
export type AppSettings = Parameters<typeof scriptedServices>[0];

export const test = base.extend<{ browser: Browser; settings: AppSettings; stage: AppStage }>({
  /** of the service */
  settings: {},
  // One for all files of a worker: they share this module, whose hooks would be the first file's only.
  browser: [
    // oxlint-disable-next-line no-empty-pattern -- how Vitest reads a fixture's dependencies
    async ({}, use) => {
      const browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGS });
      await use(browser);
      await browser.close();
    },
    { scope: "worker" },
  ],
  stage: async ({ browser, settings }, use) => {
    const services = await scriptedServices({ local: true, ...settings });
    const complaints: string[] = [];
    const forgiven: RegExp[] = [];
    let context: BrowserContext | undefined;
    await use({
      services,
      complaints,
      forgive: (pattern) => void forgiven.push(pattern),
      async open(path = "/", options = {}) {
        context ??= await newContext(browser, services.url, options, complaints);
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
  browser: Browser,
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
