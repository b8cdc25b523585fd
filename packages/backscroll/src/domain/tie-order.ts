import { idClock } from "./id-clock.ts";
import type { Role } from "./message.ts";

/** A message of a conversation that has others of the very same time. */
export interface Tied {
  readonly id: string;
  /** null: none of ours */
  readonly role: Role | null;
}

/**
 * What put a message in its place among those of its time: the time and counter in the ids, who speaks after whom, or,
 * where nothing tells, the id itself, so that it is the same place every time.
 */
export const TIE_RULES = ["id_time", "roles", "id"] as const;
export type TieRule = (typeof TIE_RULES)[number];

export interface Placed<Message> {
  readonly message: Message;
  readonly rule: TieRule;
}

/**
 * Orders messages that a clock could not tell apart:
 *
 * 1. by the time that their ids tell (cuid, UUIDv7, ULID), when all of them do; and within a millisecond by the counter of
 *    cuids that one process made, which counts every id that it makes
 * 2. where that is the same, or untold (cuid2, random UUIDs): as people and models take turns, so that as few as possible
 *    speak where another should, those before and after included; a question before its answer where either would do
 * 3. those of one role among each other: by id
 *
 * In what order PostgreSQL stored them (`ctid`, `xmin`) is not asked: it is another one after a restore, an update, or a
 * vacuum.
 *
 * @param before the role of the message before them; null: there is none, or it is unknown
 * @param after of the one after them
 */
export function orderTies<Message extends Tied>(
  tied: readonly Message[],
  { before, after }: { readonly before: Role | null; readonly after: Role | null },
): readonly Placed<Message>[] {
  const groups = byIdTime(tied);
  const placed: Placed<Message>[] = [];
  for (const [index, group] of groups.entries()) {
    const previous = index === 0 ? before : (placed.at(-1)?.message.role ?? null);
    const next = groups[index + 1];
    const following = next === undefined ? after : next.length === 1 ? (next[0]?.role ?? null) : null;
    if (group.length === 1) placed.push(...group.map((message) => ({ message, rule: "id_time" as const })));
    else placed.push(...byRoles(group, previous, following));
  }
  return placed;
}

/** @returns groups in order: what a group has more than one of, ids do not tell apart */
function byIdTime<Message extends Tied>(tied: readonly Message[]): readonly (readonly Message[])[] {
  const clocked = tied.flatMap((message) => {
    const clock = idClock(message.id);
    return clock === null ? [] : [{ message, clock }];
  });
  if (clocked.length < tied.length) return [tied];
  const byMs = [...Map.groupBy(clocked, ({ clock }) => clock.ms)].toSorted(([a], [b]) => a - b);
  return byMs.flatMap(([, same]) => {
    const counts = same.flatMap(({ message, clock: { counted } }) => (counted ? [{ message, ...counted }] : []));
    const isOneProcess = counts.length === same.length && new Set(counts.map(({ process }) => process)).size === 1;
    if (!isOneProcess) return [same.map(({ message }) => message)];
    return inOrderCounted(counts).map(({ message }) => [message]);
  });
}

const COUNTS = 36 ** 4;

/** Where some are near the counter's end and others near its beginning, it began again between them. */
function inOrderCounted<Counted extends { readonly count: number }>(counted: readonly Counted[]): readonly Counted[] {
  const all = counted.map(({ count }) => count);
  const hasBegunAgain = Math.max(...all) - Math.min(...all) > COUNTS / 2;
  const place = ({ count }: Counted): number => (hasBegunAgain && count < COUNTS / 2 ? count + COUNTS : count);
  return counted.toSorted((a, b) => place(a) - place(b));
}

type Speaker = Role | "unknown" | "nobody";

/** Who speaks next, the likeliest first; only what stands before the bar is as it should be. */
const TURNS: Readonly<Record<Speaker, { readonly expected: readonly Role[]; readonly others: readonly Role[] }>> = {
  nobody: { expected: ["system", "user"], others: ["assistant", "tool"] },
  system: { expected: ["system", "user"], others: ["assistant", "tool"] },
  user: { expected: ["assistant"], others: ["tool", "system", "user"] },
  assistant: { expected: ["user", "tool"], others: ["system", "assistant"] },
  tool: { expected: ["assistant", "tool"], others: ["user", "system"] },
  unknown: { expected: ["system", "user", "assistant", "tool"], others: [] },
};

/** Every one of them is tried first; of those that do equally well, the one that is earlier here. */
const FIRST: readonly Speaker[] = ["system", "user", "assistant", "tool", "unknown"];

function byRoles<Message extends Tied>(
  tied: readonly Message[],
  before: Role | null,
  after: Role | null,
): readonly Placed<Message>[] {
  const sorted = tied.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const speakers = Map.groupBy(sorted, ({ role }): Speaker => role ?? "unknown");
  const tried = FIRST.filter((first) => speakers.has(first)).map((first) => turnsFrom(first, speakers));
  const [best] = tried
    .map((order) => ({ order, amiss: countAmiss([before ?? "nobody", ...order, ...(after === null ? [] : [after])]) }))
    .toSorted((a, b) => a.amiss - b.amiss);
  const queues = new Map([...speakers].map(([speaker, messages]) => [speaker, messages.values()]));
  return (best?.order ?? []).flatMap((speaker) => {
    const message = queues.get(speaker)?.next().value;
    const rule = (speakers.get(speaker)?.length ?? 0) === 1 ? "roles" : "id";
    return message === undefined ? [] : [{ message, rule: speakers.size === 1 ? "id" : rule }];
  });
}

function turnsFrom(first: Speaker, speakers: ReadonlyMap<Speaker, readonly unknown[]>): readonly Speaker[] {
  const left = new Map([...speakers].map(([speaker, messages]) => [speaker, messages.length]));
  const order: Speaker[] = [];
  for (let speaker: Speaker | undefined = first; speaker !== undefined;) {
    order.push(speaker);
    left.set(speaker, (left.get(speaker) ?? 0) - 1);
    const { expected, others }: (typeof TURNS)[Speaker] = TURNS[speaker];
    speaker = ([...expected, ...others, "unknown"] as const).find((next) => (left.get(next) ?? 0) > 0);
  }
  return order;
}

function countAmiss(order: readonly Speaker[]): number {
  return order.filter((speaker, index) => {
    const previous = order[index - 1];
    if (previous === undefined || speaker === "unknown" || speaker === "nobody") return false;
    return !TURNS[previous].expected.includes(speaker);
  }).length;
}
