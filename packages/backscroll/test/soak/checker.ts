import type { Health } from "./health.ts";
import type { Acknowledgement, Observations, Read } from "./observations.ts";
import type { State, TrueHistory } from "./true-history.ts";

/**
 * What is checked, in plain words. PostgreSQL wrote down every state that each conversation ever had, in order.
 *
 * 1. Every read shows one of these states: its newest `limit` messages, in order, none doubled, none missing, each as it
 *    was in that state, and whether there are more; or, if the conversation was gone in that state, that it is not
 *    there. Another person's message, or a mixture of two states, is in none of them.
 * 2. On the server that acknowledged a change, every read that begins later shows the state that the change made, or a
 *    later one. "Not found" to somebody who deletes a message is such an answer, too: it is gone.
 * 3. On every other server so does every read that begins later, if between the beginning and the acknowledgement of the
 *    change both servers were healthy; if one was not, every read that begins later than both had recovered, plus the
 *    audit interval. That is stricter than the promise: a change that was told in good health stays told through
 *    whatever happens to Redis later.
 * 4. A read of a page, and one with `consistency=strong`, shows every change that anybody was told before it began.
 * 5. What was acknowledged is in PostgreSQL's history.
 * 6. No request fails because of Redis.
 */
export interface Violation {
  readonly rule: string;
  readonly conversation: string;
  readonly at: number;
  readonly text: string;
}

/** The machine's clock is read in two places. */
const CLOCK_MS = 5;

interface Change extends Acknowledgement {
  /** the first state in which it shows */
  readonly state: number;
}

export interface Checked {
  readonly violations: readonly Violation[];
  /** reads for which some other server's change had to be seen */
  readonly readsBoundByOthers: number;
}

/** @param mayFail whether PostgreSQL was out of this server's reach about then */
export function check(
  { reads, acknowledgements, failures }: Observations,
  history: TrueHistory,
  health: Health,
  mayFail: (server: string, begin: number, end: number) => boolean,
): Checked {
  const violations: Violation[] = [];
  const changes = new Map<string, Change[]>();
  for (const acknowledgement of acknowledgements) {
    const { conversation, label, server, fact, end } = acknowledgement;
    const state = stateOf(acknowledgement, history.get(conversation) ?? []);
    if (state === -1) {
      const text = `${label} was acknowledged by ${server} and is nowhere in PostgreSQL: ${JSON.stringify(fact)}`;
      violations.push({ rule: "5: what was acknowledged is stored", conversation, at: end, text });
    } else changes.set(conversation, [...(changes.get(conversation) ?? []), { ...acknowledgement, state }]);
  }
  let readsBoundByOthers = 0;
  for (const read of reads) {
    const bound = lowerBound(read, changes.get(read.conversation) ?? [], health);
    if (bound && bound.server !== read.server) readsBoundByOthers += 1;
    const violation = checkRead(read, history.get(read.conversation) ?? [], bound);
    if (violation) violations.push(violation);
  }
  for (const { server, conversation, begin, end, label, status, body } of failures) {
    if (status === 503 && mayFail(server, begin, end)) continue;
    const text = `${label} on ${server} was answered ${status}: ${body}`;
    violations.push({ rule: "6: no request fails because of Redis", conversation, at: end, text });
  }
  return { violations, readsBoundByOthers };
}

/** @returns the first state in which the change shows; -1 when there is none */
function stateOf({ fact, clockBegin, clockEnd }: Acknowledgement, states: readonly State[]): number {
  if ("shows" in fact) return states.findIndex(({ messages }) => messages.includes(fact.shows));
  if ("contains" in fact) return states.findIndex((state) => contains(state, fact.contains));
  if ("lacks" in fact) {
    const first = states.findIndex((state) => contains(state, fact.lacks));
    return states.findIndex((state, index) => index > first && !contains(state, fact.lacks));
  }
  return states.findIndex(
    ({ kind, at }) => kind === fact.became && at >= clockBegin - CLOCK_MS && at <= clockEnd + CLOCK_MS,
  );
}

function contains({ messages }: State, id: string): boolean {
  const start = `{"id":${JSON.stringify(id)},`;
  return messages.some((message) => message.startsWith(start));
}

/** @returns the change of the latest state that this read has to show; null: any state will do */
function lowerBound(read: Read, changes: readonly Change[], health: Health): Change | null {
  let latest: Change | null = null;
  for (const change of changes) {
    if (change.end > read.begin || (latest && change.state <= latest.state)) continue;
    const atOnce = change.server === read.server || read.kind !== "recent";
    if (atOnce || health.seenFrom(change.server, read.server, change.begin, change.end) <= read.begin) latest = change;
  }
  return latest;
}

function checkRead(read: Read, states: readonly State[], bound: Change | null): Violation | null {
  const matching = states
    .map((state, index) => (state.at <= read.clockEnd + CLOCK_MS && isShown(read, state) ? index : -1))
    .filter((index) => index !== -1);
  if (matching.some((index) => index >= (bound?.state ?? 0))) return null;
  const shown = read.answer === null ? "no conversation" : read.answer.messages.map(brief).join(" ");
  const where = `${read.label} (${read.kind}, limit ${read.limit}, ${read.source ?? "no source"}) on ${read.server}`;
  const about = { conversation: read.conversation, at: read.end };
  if (matching.length === 0 || !bound) {
    const text = `${where} shows no state that ever was: ${shown}, has_more ${read.answer?.hasMore}`;
    return { rule: "1: every read shows one state of the database", ...about, text };
  }
  const rule =
    read.kind !== "recent"
      ? "4: what is read past the cache is the newest"
      : bound.server === read.server
        ? "2: who acknowledged a change shows it"
        : "3: the others show it, too";
  const late = (read.begin - bound.end).toFixed(1);
  const text =
    `${where} shows state ${matching.join(", ")} (${shown}), but state ${bound.state} of ${states.length} ` +
    `(${states[bound.state]?.kind}, version ${states[bound.state]?.version}) was acknowledged to ${bound.label} by ` +
    `${bound.server} ${late} ms before the read began`;
  return { rule, ...about, text };
}

function isShown({ kind, limit, answer }: Read, { gone, messages }: State): boolean {
  if (answer === null || gone) return answer === null && gone;
  const expected = kind === "page" ? messages.toReversed().slice(0, limit) : messages.slice(0, limit);
  return (
    (kind === "page" || answer.hasMore === messages.length > limit) &&
    answer.messages.length === expected.length &&
    answer.messages.every((message, index) => message === expected[index])
  );
}

function brief(message: string): string {
  const { id, seq, version } = JSON.parse(message) as { id: string; seq: number; version: number };
  return `${seq}:${id}${version > 1 ? `@${version}` : ""}`;
}
