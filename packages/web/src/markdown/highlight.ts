import type { CodePiece } from "./code-pieces.ts";

/** What the worker is asked. */
export interface HighlightRequest {
  readonly code: string;
  readonly language: string;
}

/** What it answers; null: it does not know the language. */
export type HighlightAnswer = readonly CodePiece[] | null;

const LIMIT_MS = 2_000;
const KEPT = 100;

const known = new Map<string, Promise<HighlightAnswer>>();
let worker: Worker | null = null;
let last: Promise<unknown> = Promise.resolve();

/**
 * Colours code in a worker, one after the other. One that takes longer than two seconds is given up, with its worker.
 *
 * @returns null when it stays plain
 */
export function highlight(code: string, language: string): Promise<HighlightAnswer> {
  const key = `${language}\n${code}`;
  const answer = known.get(key) ?? inTurn({ code, language });
  known.delete(key);
  known.set(key, answer);
  for (const oldest of known.keys()) {
    if (known.size <= KEPT) break;
    known.delete(oldest);
  }
  return answer;
}

function inTurn(request: HighlightRequest): Promise<HighlightAnswer> {
  const answer = last.then(() => ask(request));
  last = answer;
  return answer;
}

async function ask(request: HighlightRequest): Promise<HighlightAnswer> {
  worker ??= new Worker(new URL("highlight-worker.ts", import.meta.url), { type: "module" });
  const asked = worker;
  const answered = new AbortController();
  const { signal } = answered;
  const answer = await new Promise<HighlightAnswer | "none">((resolve) => {
    asked.addEventListener("message", ({ data }: MessageEvent<HighlightAnswer>) => resolve(data), { signal });
    asked.addEventListener("error", () => resolve("none"), { signal });
    const timer = setTimeout(() => resolve("none"), LIMIT_MS);
    signal.addEventListener("abort", () => clearTimeout(timer));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    asked.postMessage(request);
  });
  answered.abort();
  if (answer !== "none") return answer;
  asked.terminate();
  worker = null;
  return null;
}
