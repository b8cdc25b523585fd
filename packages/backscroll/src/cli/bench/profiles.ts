import { type BenchConversation, type BenchConversations, message } from "./conversations.ts";
import type { Measure } from "./load.ts";
import type { BenchFlags } from "./options.ts";
import type { OperationSummary } from "./samples.ts";
import type { Answer } from "./target.ts";

/** What senders do, and what must come of it. */
export interface Profile {
  readonly title: string;
  /** how the load is made up, for whoever reads the figures */
  readonly description: string;
  /** one after the other, an equal share of the time each */
  readonly phases: readonly ((stage: Stage, measure: Measure) => Promise<void>)[];
  readonly judge: (measured: Measured) => readonly TargetVerdict[];
}

interface Stage {
  /** talked in again and again, and cached */
  readonly warm: readonly BenchConversation[];
  readonly conversations: BenchConversations;
}

interface Measured {
  readonly summaryOf: (name: OperationName) => OperationSummary | null;
  readonly failures: number;
}

export interface TargetVerdict {
  readonly name: string;
  readonly wanted: string;
  readonly reached: string;
  readonly met: boolean;
}

/** In the order in which they are shown. */
export const OPERATIONS = ["save", "read hit", "read miss", "read bypass", "page", "list"] as const;
type OperationName = (typeof OPERATIONS)[number];

const PAGE_SHARE = 0.2;
const LIST_SHARE = 0.1;

export function createProfile({ profile, cold }: BenchFlags): Profile {
  return profile === "guide" ? guideProfile(cold / 100) : QUICK;
}

const QUICK: Profile = {
  title: "A general picture",
  description: "one kind of request after the other: save a message, read the recent 20, a page of 50, the list",
  phases: [
    (stage, measure) => save(measure, pick(stage), "user"),
    (stage, measure) => readRecent(measure, pick(stage)),
    (stage, measure) => readPage(measure, pick(stage)),
    (stage, measure) => list(measure, pick(stage)),
  ],
  judge: ({ failures }) => [noFailures(failures)],
};

/** The guide's "Load testing": concurrent message sending, cache hit rate under load, database query performance. */
function guideProfile(coldShare: number): Profile {
  return {
    title: "The guide's load test",
    description:
      `turns: read the recent 20, save a question, save an answer, read the recent 20 again; after one turn in five a page ` +
      `of 50 from PostgreSQL, after one in ten the list. ${Math.round(coldShare * 100)}% of turns open a conversation that no cache holds`,
    phases: [
      async (stage, measure) => {
        const at = Math.random() < coldShare ? await stage.conversations.open() : pick(stage);
        await readRecent(measure, at);
        await save(measure, at, "user");
        await save(measure, at, "assistant");
        await readRecent(measure, at);
        if (Math.random() < PAGE_SHARE) await readPage(measure, at);
        if (Math.random() < LIST_SHARE) await list(measure, at);
      },
    ],
    judge: ({ summaryOf, failures }) => [
      hitRateAbove(0.8, summaryOf),
      averageBelow(10, "latency of a hit", summaryOf("read hit")),
      averageBelow(100, "latency of a miss", summaryOf("read miss")),
      noFailures(failures),
    ],
  };
}

/** Some are talked in much more than others. */
function pick({ warm }: Stage): BenchConversation {
  const found = warm[Math.floor(warm.length * Math.random() ** 2)];
  if (!found) throw new Error("there is no conversation");
  return found;
}

async function save(measure: Measure, { id, user }: BenchConversation, role: "user" | "assistant"): Promise<void> {
  await measure("save", { method: "POST", path: `/api/conversations/${id}/messages`, user, body: message(role) });
}

async function readRecent(measure: Measure, { id, user }: BenchConversation): Promise<void> {
  await measure(sourceOf, { method: "GET", path: `/api/conversations/${id}/messages?limit=20`, user });
}

function sourceOf({ cache }: Answer): string {
  return `read ${cache ?? "bypass"}`;
}

async function readPage(measure: Measure, { id, user }: BenchConversation): Promise<void> {
  await measure("page", { method: "GET", path: `/api/conversations/${id}/messages?page=1&page_size=50`, user });
}

async function list(measure: Measure, { user }: BenchConversation): Promise<void> {
  await measure("list", { method: "GET", path: "/api/conversations?limit=20", user });
}

/** @returns hits of all reads of recent messages; null when there was none */
export function hitRateOf(countOf: (name: OperationName) => number): number | null {
  const [hits, misses, bypasses] = [countOf("read hit"), countOf("read miss"), countOf("read bypass")];
  const reads = hits + misses + bypasses;
  return reads === 0 ? null : hits / reads;
}

function hitRateAbove(share: number, summaryOf: Measured["summaryOf"]): TargetVerdict {
  const rate = hitRateOf((name) => summaryOf(name)?.count ?? 0);
  return {
    name: "cache hit rate",
    wanted: `> ${share * 100}%`,
    reached: rate === null ? "no read was answered" : `${(rate * 100).toFixed(1)}%`,
    met: rate !== null && rate > share,
  };
}

/** The guide speaks of the average; p95 stands beside it, and decides nothing. */
function averageBelow(ms: number, name: string, summary: OperationSummary | null): TargetVerdict {
  return {
    name,
    wanted: `average < ${ms} ms`,
    reached: summary ? `${summary.averageMs.toFixed(2)} ms (p95 ${summary.p95Ms.toFixed(2)} ms)` : "there was none",
    met: summary !== null && summary.averageMs < ms,
  };
}

function noFailures(failures: number): TargetVerdict {
  return { name: "requests that failed", wanted: "none", reached: String(failures), met: failures === 0 };
}
