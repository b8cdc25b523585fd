import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

type Source = "hit" | "miss" | "bypass";

/** What the requests of one phase met. */
export interface PhaseResult {
  readonly requests: number;
  /** milliseconds of half of them at most, of 99 in 100, and of the slowest */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** reads that were also answered in it, by where the answer came from */
  readonly sources: Readonly<Record<Source, number>>;
}

export interface LoadResult<Phase extends string> {
  readonly phases: Readonly<Record<Phase, PhaseResult>>;
  /** requests without the answer they should have */
  readonly failures: readonly string[];
  /** reads that did not show exactly what was stored */
  readonly wrong: readonly string[];
}

/** Resolves when so many more requests have been answered. */
type Answered = (requests: number) => Promise<void>;

interface Timed {
  readonly ms: number;
  readonly source: Source | null;
}

interface Load {
  readonly answered: Answered;
  phase: string;
  stopped: boolean;
  readonly timed: Map<string, Timed[]>;
  readonly failures: string[];
  readonly wrong: string[];
  record(phase: string, request: Timed): void;
}

export interface LoadSize {
  readonly clients: number;
  /** of each client; the first is used as much as all others together */
  readonly conversations?: number;
  /** messages that each of them begins with, at most 100 */
  readonly messages?: number;
  /** length of a message, about */
  readonly contentChars?: number;
}

/**
 * Asks a service over HTTP, from many clients at once, while things happen to it. Each client changes and reads
 * conversations of its own, one request after the other, so it knows what every read must show: all that it was told
 * is stored, and nothing else.
 *
 * @param phases one after the other; a request counts for the phase in which it began
 */
export async function underLoad<Phase extends string>(
  url: string,
  size: LoadSize,
  phases: Readonly<Record<Phase, (answered: Answered) => Promise<void>>>,
): Promise<LoadResult<Phase>> {
  const load = createLoad();
  const names = Object.keys(phases) as Phase[];
  load.phase = names[0] ?? "";
  const running = Array.from({ length: size.clients }, (_, client) => converse(load, url, client, size));
  try {
    for (const name of names) {
      load.phase = name;
      await phases[name](load.answered);
    }
  } finally {
    load.stopped = true;
    await Promise.all(running);
  }
  const results = names.map((name) => [name, summarize(load.timed.get(name) ?? [])] as const);
  return {
    phases: Object.fromEntries(results) as Record<Phase, PhaseResult>,
    failures: load.failures,
    wrong: load.wrong,
  };
}

/**
 * Freezes Redis under load, and thaws it. `freezing` ends when the service has found out; `frozen` is what requests
 * cost from then on.
 *
 * @param redis how to stop and continue its process
 * @param requests of each phase that is measured
 */
export async function freezeUnderLoad(
  url: string,
  redis: { freeze(): void; thaw(): void },
  { clients, requests }: { clients: number; requests: number },
): Promise<LoadResult<"calm" | "freezing" | "frozen" | "thawed" | "calmAgain">> {
  return underLoad(
    url,
    { clients },
    {
      calm: (answered) => answered(requests),
      async freezing() {
        redis.freeze();
        await untilCacheIs("unavailable", url);
      },
      frozen: (answered) => answered(requests),
      async thawed() {
        redis.thaw();
        await untilCacheIs("ok", url);
      },
      calmAgain: (answered) => answered(requests),
    },
  );
}

const POLL_MS = 20;
const STATE_MS_MAX = 15_000;

/** Waits until the service says so. @throws when it does not */
export async function untilCacheIs(state: "ok" | "unavailable", url: string): Promise<void> {
  const from = performance.now();
  for (;;) {
    const response = await fetch(`${url}/readyz`);
    const { cache } = (await response.json()) as { cache: string };
    if (cache === state) return;
    if (performance.now() - from > STATE_MS_MAX) throw new Error(`the cache is ${cache}, and not ${state}`);
    await pause(POLL_MS);
  }
}

function createLoad(): Load {
  const waiting = new Set<{ left: number; done: () => void }>();
  const load: Load = {
    phase: "",
    stopped: false,
    timed: new Map(),
    failures: [],
    wrong: [],
    record(phase, request) {
      const timed = load.timed.get(phase) ?? [];
      load.timed.set(phase, timed);
      timed.push(request);
      for (const one of waiting) {
        one.left -= 1;
        if (one.left > 0) continue;
        waiting.delete(one);
        one.done();
      }
    },
    answered(requests) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add({ left: requests, done: resolve });
      return promise;
    },
  };
  return load;
}

const READ_LIMITS = [20, 5, 20, 50];

/** One client: writes, reads, edits and deletes in turn, in a few conversations. */
async function converse(
  load: Load,
  url: string,
  client: number,
  { conversations: count = 3, messages: length = 0, contentChars = 1 }: LoadSize,
): Promise<void> {
  const ask = async (method: string, path: string, status: number, body?: unknown): Promise<Response | null> => {
    const { phase } = load;
    const from = performance.now();
    try {
      const response = await fetch(`${url}/api/conversations${path}`, {
        method,
        ...(body !== undefined && {
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      });
      const text = await response.text();
      // One that was under way when the next phase began may have met either.
      const source = load.phase === phase ? (response.headers.get("x-backscroll-cache") as Source | null) : null;
      load.record(phase, { ms: performance.now() - from, source });
      if (response.status === status) return new Response(text);
      load.failures.push(`${method} in ${phase}: ${response.status} ${text}`);
    } catch (error) {
      load.failures.push(`${method} in ${phase}: ${String(error)}`);
    }
    return null;
  };

  const filler = "x".repeat(contentChars);
  const conversations = Array.from({ length: count }, () => ({
    id: randomUUID(),
    stored: [] as { id: string; content: string }[],
  }));
  for (const { id, stored } of conversations) {
    await ask("POST", "", 201, { id });
    const first = Array.from({ length }, (_, n) => ({
      id: randomUUID(),
      role: "user",
      content: `${client}-first-${n} ${filler}`,
    }));
    if (length > 0 && (await ask("POST", `/${id}/messages`, 201, { messages: first }))) stored.push(...first);
  }
  for (let step = 0; !load.stopped; step += 1) {
    const { id, stored } = conversations[
      step % 2 === 0 ? 0 : ((step - 1) / 2) % count
    ] as (typeof conversations)[number];
    const newest = stored.at(-1);
    const messages = `/${id}/messages`;
    if (step % 11 === 7 && newest) {
      const content = `!${newest.content}`;
      if (await ask("PATCH", `${messages}/${newest.id}`, 200, { content })) newest.content = content;
    } else if (step % 29 === 13 && newest) {
      if (await ask("DELETE", `${messages}/${newest.id}`, 200)) stored.pop();
    } else {
      const message = { id: randomUUID(), role: "user", content: `${client}-${step} ${filler}` };
      if (await ask("POST", messages, 201, message)) stored.push(message);
    }
    for (const limit of [READ_LIMITS[step % READ_LIMITS.length] ?? 20, 20]) {
      const { phase } = load;
      const read = await ask("GET", `${messages}?limit=${limit}`, 200);
      if (!read) continue;
      const answer = (await read.json()) as { messages: { content: string }[]; has_more: boolean };
      const shown = show(answer.messages, answer.has_more);
      const expected = show(stored.slice(-limit).toReversed(), stored.length > limit);
      const [told, truth] = [shown, expected].map((text) => text.replaceAll(filler, "").slice(0, 200));
      if (shown !== expected) load.wrong.push(`limit ${limit} in ${phase}: ${told} instead of ${truth}`);
    }
  }
}

function show(messages: readonly { content: string }[], hasMore: boolean): string {
  return `${messages.map(({ content }) => content).join(" ")}${hasMore ? " …" : ""}`;
}

function summarize(timed: readonly Timed[]): PhaseResult {
  const sorted = timed.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
  const count = (source: Source): number => timed.filter((request) => request.source === source).length;
  return {
    requests: timed.length,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    sources: { hit: count("hit"), miss: count("miss"), bypass: count("bypass") },
  };
}
