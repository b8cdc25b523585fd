/** What put messages of one time in order. */
export type TieRule = "cuid" | "uuid" | "roles";

interface Tied {
  readonly id: string;
  readonly role: string;
  readonly createdAt: Date;
}

/**
 * Puts messages of one `created_at` in the order in which they were written, as far as anything tells:
 *
 * 1. cuids of one process (https://github.com/paralleldrive/cuid: `c`, 8 digits of the time, 4 of a counter, 4 of the
 *    process, base 36) by their time and counter, which begins again at zero
 * 2. UUIDv7 by themselves
 * 3. otherwise by roles: instructions first, then question and answer in turn, going on from what came before
 *
 * @param ties two or more, in the order of their ids
 * @param previousRole of the message before them
 */
export function orderTies<Message extends Tied>(
  ties: readonly Message[],
  previousRole: string | null,
): { readonly ordered: readonly Message[]; readonly rule: TieRule } {
  const cuids = ties.map((message) => ({ message, ...readCuid(message) }));
  if (cuids.every(({ process, at }) => process !== null && process === cuids[0]?.process && at !== null)) {
    const counters = cuids.map(({ counter }) => counter);
    const hasWrapped = Math.max(...counters) - Math.min(...counters) > COUNTERS / 2;
    const place = (counter: number): number => (hasWrapped && counter < COUNTERS / 2 ? counter + COUNTERS : counter);
    const ordered = cuids.toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0) || place(a.counter) - place(b.counter));
    return { ordered: ordered.map(({ message }) => message), rule: "cuid" };
  }
  if (ties.every(({ id }) => UUIDV7.test(id))) {
    return { ordered: ties.toSorted((a, b) => (a.id < b.id ? -1 : 1)), rule: "uuid" };
  }
  return { ordered: inTurn(ties, previousRole), rule: "roles" };
}

const COUNTERS = 36 ** 4;
const CUID = /^c([0-9a-z]{8})([0-9a-z]{4})([0-9a-z]{4})[0-9a-z]{8}$/;
const UUIDV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
const DAY_MS = 86_400_000;

/** What has the form of a cuid and another time is none. */
function readCuid({ id, createdAt }: Tied): { at: number | null; counter: number; process: string | null } {
  const [, time = "", counter = "", process = ""] = CUID.exec(id) ?? [];
  const at = Number.parseInt(time, 36);
  if (!(Math.abs(at - createdAt.getTime()) < DAY_MS)) return { at: null, counter: 0, process: null };
  return { at, counter: Number.parseInt(counter, 36), process };
}

function inTurn<Message extends Tied>(ties: readonly Message[], previousRole: string | null): readonly Message[] {
  const instructions = ties.filter(({ role }) => role === "system");
  const questions = ties.filter(({ role }) => role === "user");
  const answers = ties.filter(({ role }) => role !== "system" && role !== "user");
  const ordered = [...instructions];
  let asks = previousRole !== "user";
  while (questions.length + answers.length > 0) {
    const next = (asks ? questions : answers).shift();
    if (next) ordered.push(next);
    asks = !asks;
  }
  return ordered;
}
