import { readdirSync, readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type Browser, chromium } from "playwright-core";
import { resolveUser } from "../packages/backscroll/src/service/users.ts";
import { findChromium } from "../packages/backscroll/test/find-chromium.ts";
import { buildWeb } from "../scripts/build-web.ts";
import { openBackscroll, say, USER } from "./bench-context.ts";
import { openBenchDatabase } from "./database.ts";
import { openPacedModel, questionFor } from "./turns-model.ts";
import { type Target, targetTable } from "./report.ts";
import { writeResults } from "./results.ts";
import { median } from "./rounds.ts";
import { seed, type Seeded } from "./seed.ts";
import { startService } from "./service.ts";
import {
  measureDrift,
  measureOpening,
  measurePaint,
  measureScrolling,
  measureSidebar,
  measureStreaming,
  WebPage,
} from "./web-page.ts";

/** What a person waits for in the browser: `npm run bench:web`, a few minutes. */
const SIZE = { small: 100, middle: 10_000, large: 100_000, conversations: 5_000 };
const ROUNDS = 5;
const BEST_OF = 3;
const STREAMED = { tokens: 2_000, tokensPerSecond: 200 };
const LIMIT_MS = 600_000;
const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

setTimeout(() => {
  say(`stopped: not done within ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();

await buildWeb();
const database = await openBenchDatabase();
const browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGS });
try {
  say("seeding");
  const seeder = await openBackscroll(database.url);
  const seeded = await seed(database.url, await resolveUser(seeder.deps, USER), SIZE);
  await seeder.close();
  const model = await openPacedModel();
  const service = await startService({
    DATABASE_URL: database.url,
    CACHE: "memory",
    LOG_LEVEL: "silent",
    MODEL: "compatible/paced-1",
    MODEL_BASE_URL: model.baseUrl,
  });
  try {
    const targets = [...(await measure(browser, service.url, seeded)), ...bundleTargets()];
    const report = toMarkdown(targets, browser.version());
    process.stdout.write(report);
    writeResults("web", report);
  } finally {
    await service.close();
    await model.close();
  }
} finally {
  await browser.close();
  await database.close();
}

async function measure(browser: Browser, url: string, { smallIds, largeId }: Seeded): Promise<readonly Target[]> {
  const [smallId = ""] = smallIds;
  const each = async (rounds: number, measured: (page: WebPage) => Promise<number>): Promise<number[]> => {
    const values: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const page = await WebPage.open(browser, url);
      values.push(await measured(page));
      await page.close();
    }
    return values;
  };
  say("largest contentful paint");
  const paints = await each(ROUNDS, (page) => measurePaint(page, smallId));
  say("opening 100,000 messages");
  const openings = await each(ROUNDS, (page) => measureOpening(page, largeId));
  say("the sidebar");
  const sidebars = await each(ROUNDS, measureSidebar);
  say("scrolling");
  const scrolls = await each(BEST_OF, (page) => measureScrolling(page, largeId));
  say("what moves when older messages come");
  const drifts = await each(BEST_OF, (page) => measureDrift(page, largeId));
  say("a reply that streams");
  const streams: number[] = [];
  for (const [nth, id] of smallIds.slice(0, BEST_OF).entries()) {
    const question = questionFor({ nth, ...STREAMED });
    streams.push(...(await each(1, (page) => measureStreaming(page, id, question))));
  }
  say("layout shifts");
  const shifts = await each(ROUNDS, async (page) => {
    await measurePaint(page, largeId);
    return page.layoutShift();
  });
  return [
    inMs("largest contentful paint of a conversation, on this machine", 600, median(paints)),
    inMs("a conversation of 100,000 messages, from click to paint", 300, median(openings)),
    inMs("the sidebar with 5,000 conversations, from its answer to paint", 200, median(sidebars)),
    target("cumulative layout shift of opening a conversation", "≤ 0.02", median(shifts), 0.02, (cls) =>
      cls.toFixed(3),
    ),
    target(
      "what is read moves by, when older messages come",
      "≤ 1 px",
      Math.max(...drifts),
      1,
      (px) => `${px.toFixed(2)} px`,
    ),
    inMs(`longest task while scrolling 20,000 px, best of ${BEST_OF}`, 50, Math.min(...scrolls)),
    inMs(
      `longest task while ${STREAMED.tokens} tokens are written, ${STREAMED.tokensPerSecond} a second, best of ${BEST_OF}`,
      50,
      Math.min(...streams),
    ),
  ];
}

function inMs(name: string, bound: number, reached: number): Target {
  return target(name, `≤ ${bound} ms`, reached, bound, (ms) => `${Math.round(ms)} ms`);
}

function target(name: string, wanted: string, reached: number, bound: number, text: (value: number) => string): Target {
  return { name, wanted, reached: text(reached), met: reached <= bound };
}

function kilobytes(value: number): string {
  return `${value.toFixed(1)} kB`;
}

/** What the first page needs before it can show anything; the rest is loaded when it is used. */
function bundleTargets(): readonly Target[] {
  const dist = fileURLToPath(new URL("../packages/web/dist", import.meta.url));
  const page = readFileSync(join(dist, "index.html"), "utf8");
  const initial = readdirSync(join(dist, "assets")).filter((name) => page.includes(`/assets/${name}"`));
  const size = (extension: string): number =>
    initial
      .filter((name) => name.endsWith(extension))
      .reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, "assets", name))).length / 1_000, 0);
  return [
    target("initial JavaScript, gzip", "≤ 135 kB", size(".js"), 135, kilobytes),
    target("initial CSS, gzip", "≤ 10 kB", size(".css"), 10, kilobytes),
  ];
}

function toMarkdown(targets: readonly Target[], version: string): string {
  const conditions = [
    new Date().toISOString().slice(0, 10),
    `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`,
    `Chromium ${version}, headless, 1440 × 900; the service, PostgreSQL and the browser on one machine`,
  ].join("; ");
  return `## The web app\n\nWritten by \`npm run bench:web\`: ${conditions}. Medians of ${ROUNDS}, but where it says else.\n\n${targetTable(targets)}\n`;
}
