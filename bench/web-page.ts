import type { Browser, BrowserContext, Locator, Page } from "playwright-core";

const SCROLLED_PX = 20_000;
const WHEEL_PX = 400;
const OLDER_MESSAGES = /messages\?.*before=/;

/** The app in a browser that has seen nothing of it yet. */
export class WebPage {
  readonly page: Page;
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
  }

  static async open(browser: Browser, url: string): Promise<WebPage> {
    const context = await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await page.addInitScript(observe);
    return new WebPage(context, page);
  }

  /** @returns the messages that stand in the page */
  get messages(): Locator {
    return this.page.getByRole("log").getByRole("article");
  }

  async observed(): Promise<Observed> {
    return this.page.evaluate(() => (globalThis as unknown as { observed: Observed }).observed);
  }

  async layoutShift(): Promise<number> {
    return (await this.observed()).shift;
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

/** What the browser tells of itself. */
interface Observed {
  /** ms from the beginning of the navigation */
  paint: number;
  shift: number;
  longestTask: number;
}

/** Runs in the page, before anything of its own. */
function observe(): void {
  const observed: Observed = { paint: 0, shift: 0, longestTask: 0 };
  Object.assign(globalThis, { observed });
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- the page is sent this function alone
  const on = (type: string, each: (entry: PerformanceEntry) => void): void => {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) each(entry);
    }).observe({ type, buffered: true });
  };
  on("largest-contentful-paint", ({ startTime }) => (observed.paint = startTime));
  on("layout-shift", (entry) => {
    const { value, hadRecentInput } = entry as PerformanceEntry & { value: number; hadRecentInput: boolean };
    if (!hadRecentInput) observed.shift += value;
  });
  on("longtask", ({ duration }) => (observed.longestTask = Math.max(observed.longestTask, duration)));
}

/** @returns ms until the largest thing of a conversation's page is painted */
export async function measurePaint(web: WebPage, conversationId: string): Promise<number> {
  await web.page.goto(`/c/${conversationId}`);
  await web.messages.last().waitFor();
  await settled(web.page);
  return (await web.observed()).paint;
}

/** @returns ms from the click on a conversation to its newest messages' paint */
export async function measureOpening(web: WebPage, conversationId: string): Promise<number> {
  await web.page.goto("/");
  const link = web.page.getByRole("navigation").locator(`a[href="/c/${conversationId}"]`);
  await link.waitFor();
  await settled(web.page);
  return link.evaluate(
    (element) =>
      new Promise<number>((done) => {
        const clickedAt = performance.now();
        const observer = new MutationObserver(() => {
          if (!document.querySelector('[role="log"] article')) return;
          observer.disconnect();
          requestAnimationFrame(() => setTimeout(() => done(performance.now() - clickedAt)));
        });
        observer.observe(document.body, { childList: true, subtree: true });
        (element as HTMLElement).click();
      }),
  );
}

/** @returns ms from the answer with the first of many conversations to their paint */
export async function measureSidebar(web: WebPage): Promise<number> {
  await web.page.addInitScript(() => {
    const shown = new MutationObserver(() => {
      if (!document.querySelector('nav a[href^="/c/"]')) return;
      shown.disconnect();
      requestAnimationFrame(() => setTimeout(() => Object.assign(globalThis, { sidebarAt: performance.now() })));
    });
    shown.observe(document, { childList: true, subtree: true });
  });
  await web.page.goto("/");
  const shown = await web.page.waitForFunction(() => (globalThis as unknown as { sidebarAt?: number }).sidebarAt);
  const shownAt = (await shown.jsonValue()) ?? 0;
  const answeredAt = await web.page.evaluate(() => {
    const answers = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
    return answers.find(({ name }) => new URL(name).pathname === "/api/conversations")?.responseEnd ?? 0;
  });
  return shownAt - answeredAt;
}

/** @returns ms of the longest task while somebody scrolls up through a long conversation */
export async function measureScrolling(web: WebPage, conversationId: string): Promise<number> {
  await openConversation(web, conversationId);
  await web.page.evaluate(() => ((globalThis as unknown as { observed: Observed }).observed.longestTask = 0));
  for (let scrolled = 0; scrolled < SCROLLED_PX; scrolled += WHEEL_PX) {
    await web.page.mouse.wheel(0, -WHEEL_PX);
    await web.page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  }
  await settled(web.page);
  return (await web.observed()).longestTask;
}

/** @returns ms of the longest task while a reply to the question is written into a conversation */
export async function measureStreaming(web: WebPage, conversationId: string, question: string): Promise<number> {
  await openConversation(web, conversationId);
  const field = web.page.getByLabel("Message", { exact: true });
  await field.fill(question);
  await web.page.evaluate(() => ((globalThis as unknown as { observed: Observed }).observed.longestTask = 0));
  await field.press("Enter");
  await web.page.getByRole("button", { name: "Stop" }).waitFor();
  await web.page.getByRole("button", { name: "Send" }).waitFor({ timeout: 60_000 });
  await settled(web.page);
  return (await web.observed()).longestTask;
}

/** @returns px by which what is read moves, at most, while nobody scrolls and older messages come in above it */
export async function measureDrift(web: WebPage, conversationId: string): Promise<number> {
  await openConversation(web, conversationId);
  let drift = 0;
  for (let page = 0; page < 5; page += 1) {
    // The answer is held until the scrolling has ended: from then on nothing may move.
    const held = Promise.withResolvers<void>();
    const asked: string[] = [];
    await web.page.route(OLDER_MESSAGES, async (route) => {
      asked.push(route.request().url());
      await held.promise;
      await route.continue();
    });
    while (asked.length === 0) {
      await web.page.mouse.wheel(0, -2 * WHEEL_PX);
      await settled(web.page);
    }
    await startWatching(web.page);
    const answer = web.page.waitForResponse(OLDER_MESSAGES);
    held.resolve();
    await answer;
    await settled(web.page);
    const measured = web.page.evaluate(() => (globalThis as unknown as { watched: { drift: number } }).watched.drift);
    drift = Math.max(drift, await measured);
    await web.page.unroute(OLDER_MESSAGES);
  }
  return drift;
}

/** Follows the message in the middle of the page, frame by frame. */
async function startWatching(page: Page): Promise<void> {
  await page.evaluate(() => {
    const log = document.querySelector('[role="log"]')?.getBoundingClientRect();
    if (!log) throw new Error("there is no thread");
    const read = document.elementFromPoint(log.left + log.width / 2, log.top + log.height / 2)?.closest("article");
    const id = read?.getAttribute("data-message-id");
    if (!id) throw new Error("nothing is read in the middle of the page");
    const state = { drift: 0 };
    // A page that is watched again forgets the one before.
    Object.assign(globalThis, { watched: state });
    // By its name: what is painted counts, not which element it is. Not there for a frame, it is as far away as can be.
    const top = (): number =>
      document.querySelector(`[data-message-id="${id}"]`)?.getBoundingClientRect().top ?? Number.POSITIVE_INFINITY;
    const firstTop = top();
    const watch = (): void => {
      if ((globalThis as unknown as { watched: unknown }).watched !== state) return;
      state.drift = Math.max(state.drift, Math.abs(top() - firstTop));
      requestAnimationFrame(watch);
    };
    watch();
  });
}

async function openConversation(web: WebPage, conversationId: string): Promise<void> {
  await web.page.goto(`/c/${conversationId}`);
  await web.messages.last().waitFor();
  await web.messages.last().hover();
  await settled(web.page);
}

/** Waits until the page asks for nothing more and has painted. The change feed never ends, so the network is never idle. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    let quietFrames = 0;
    let before = performance.getEntriesByType("resource").length;
    while (quietFrames < 20) {
      await new Promise((done) => requestAnimationFrame(done));
      const now = performance.getEntriesByType("resource").length;
      quietFrames = now === before ? quietFrames + 1 : 0;
      before = now;
    }
  });
}
