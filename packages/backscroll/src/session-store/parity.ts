import type { JsonObject, JsonValue } from "../domain/json.ts";
import { canonicalJson } from "../domain/session-alignment.ts";
import { asJsonValue, type LegacySession } from "./legacy-sessions.ts";

/** One way in which the two differ. The values are as JSON keeps them: a `Date` is its text. */
export interface ParityDifference {
  readonly kind: "missing" | "extra" | "different" | "reordered" | "context";
  /** of the message in the dictionary, from 0; in Backscroll, when only that has it; null for a context */
  readonly index: number | null;
  /** the keys that differ, of the message or of the context */
  readonly keys: readonly string[];
  readonly legacy: JsonValue | undefined;
  readonly backscroll: JsonValue | undefined;
}

/** How one session is in the dictionary and in Backscroll. */
export interface SessionParity {
  readonly sessionId: string;
  /** true: Backscroll has all that the dictionary has, and nothing else since the dictionary began */
  readonly same: boolean;
  readonly legacyMessages: number;
  readonly backscrollMessages: number;
  /** only in the dictionary */
  readonly missing: number;
  /** only in Backscroll, beside or after what the dictionary has */
  readonly extra: number;
  /** in the same place, with other content */
  readonly different: number;
  /** in both, in another order */
  readonly reordered: number;
  /** from before the dictionary's first message: a restart emptied it, or it was cut. No difference */
  readonly forgotten: number;
  /** keys of the context that differ; what an emptied dictionary has forgotten does not */
  readonly contextKeys: readonly string[];
  /** the first of them */
  readonly differences: readonly ParityDifference[];
}

/** How all sessions of the dictionary are. */
export interface ParityReport {
  readonly sessions: number;
  readonly same: number;
  readonly mismatched: number;
  /** sessions that went on being written to while they were compared */
  readonly unsettled: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  readonly reordered: number;
  readonly forgotten: number;
  readonly contextDifferences: number;
  /** the first mismatched ones; `mismatched` counts all */
  readonly mismatches: readonly SessionParity[];
}

type Compared = Pick<LegacySession<object>, "messages" | "context">;

const DIFFERENCES_SHOWN = 5;
const MISMATCHES_SHOWN = 100;

interface Item {
  readonly index: number;
  readonly value: JsonObject;
  readonly key: string;
}

/** Compares one session as it is in both; undefined: it is not there. */
export function compareSession(
  sessionId: string,
  legacy: Compared | undefined,
  backscroll: Compared | undefined,
): SessionParity {
  const old = toItems(legacy);
  const ours = toItems(backscroll);
  const { onlyOld, onlyOurs, reordered, before } = align(old, ours);
  const pairs: ParityDifference[] = [];
  const missing: Item[] = [];
  const extra: Item[] = [];
  let forgotten = 0;
  for (const gap of new Set([...onlyOld.keys(), ...onlyOurs.keys()])) {
    const olds = [...(onlyOld.get(gap) ?? [])];
    const news = [...(onlyOurs.get(gap) ?? [])];
    while (olds.length > 0 && news.length > 0) pairs.push(toDifference("different", olds.pop(), news.pop()));
    missing.push(...olds);
    if (gap === 0 && before === 0) forgotten += news.length;
    else extra.push(...news);
  }
  const legacyContext = jsonOf(legacy?.context ?? {});
  const ourContext = jsonOf(backscroll?.context ?? {});
  const contextKeys = differingKeys(legacyContext, ourContext).filter(
    (key) => forgotten === 0 || Object.hasOwn(legacyContext, key),
  );
  const contexts = { legacy: only(legacyContext, contextKeys), backscroll: only(ourContext, contextKeys) };
  const differences: readonly ParityDifference[] = [
    ...missing.map((item) => toDifference("missing", item, undefined)),
    ...pairs,
    ...reordered.map(([item, other]) => toDifference("reordered", item, other)),
    ...extra.map((item) => toDifference("extra", undefined, item)),
    ...(contextKeys.length > 0 ? [{ kind: "context" as const, index: null, keys: contextKeys, ...contexts }] : []),
  ];
  return {
    sessionId,
    same: differences.length === 0,
    legacyMessages: old.length,
    backscrollMessages: ours.length,
    missing: missing.length,
    extra: extra.length,
    different: pairs.length,
    reordered: reordered.length,
    forgotten,
    contextKeys,
    differences: differences.slice(0, DIFFERENCES_SHOWN),
  };
}

interface Alignment {
  /** by how many common messages come before */
  readonly onlyOld: ReadonlyMap<number, readonly Item[]>;
  readonly onlyOurs: ReadonlyMap<number, readonly Item[]>;
  readonly reordered: readonly (readonly [Item, Item])[];
  /** how many are the same at the beginning of both */
  readonly before: number;
}

/**
 * The end first: a dictionary forgets its beginning. What is left in the middle of both is matched one to one, by what
 * it says, wherever it is.
 */
function align(old: readonly Item[], ours: readonly Item[]): Alignment {
  let after = 0;
  while (after < Math.min(old.length, ours.length) && old.at(-1 - after)?.key === ours.at(-1 - after)?.key) after += 1;
  let before = 0;
  const left = Math.min(old.length, ours.length) - after;
  while (before < left && old[before]?.key === ours[before]?.key) before += 1;
  const olds = old.slice(before, old.length - after);
  const news = ours.slice(before, ours.length - after);
  const inOld = split(olds, news);
  const inOurs = split(news, olds);
  const reordered = inOld.common.flatMap((item, index): (readonly [Item, Item])[] => {
    const other = inOurs.common[index];
    return other && other.key !== item.key ? [[item, other]] : [];
  });
  return { onlyOld: inOld.only, onlyOurs: inOurs.only, reordered, before };
}

function split(items: readonly Item[], others: readonly Item[]): { common: Item[]; only: Map<number, Item[]> } {
  const left = new Map<string, number>();
  for (const { key } of others) left.set(key, (left.get(key) ?? 0) + 1);
  const common: Item[] = [];
  const only = new Map<number, Item[]>();
  for (const item of items) {
    const count = left.get(item.key) ?? 0;
    if (count > 0) {
      left.set(item.key, count - 1);
      common.push(item);
    } else {
      const gap = only.get(common.length);
      if (gap) gap.push(item);
      else only.set(common.length, [item]);
    }
  }
  return { common, only };
}

function toDifference(
  kind: "missing" | "extra" | "different" | "reordered",
  old: Item | undefined,
  ours: Item | undefined,
): ParityDifference {
  const keys = kind === "different" ? differingKeys(old?.value ?? {}, ours?.value ?? {}) : [];
  return { kind, index: (old ?? ours)?.index ?? null, keys, legacy: old?.value, backscroll: ours?.value };
}

function toItems(session: Compared | undefined): readonly Item[] {
  return (session?.messages ?? []).map((message, index) => {
    const value = jsonOf(message);
    return { index, value, key: canonicalJson(value) };
  });
}

/** @returns messages as JSON that is the same for the same message */
export function canonicalMessages(messages: readonly object[]): readonly string[] {
  return messages.map((message) => canonicalJson(jsonOf(message)));
}

function jsonOf(value: object): JsonObject {
  return (asJsonValue(value) ?? {}) as JsonObject;
}

function differingKeys(one: JsonObject, other: JsonObject): readonly string[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].filter((key) => {
    const has = Object.hasOwn(one, key);
    return has !== Object.hasOwn(other, key) || (has && canonicalJson(one[key]) !== canonicalJson(other[key]));
  });
}

function only(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
}

/** @returns the report on sessions that were compared; null: one that did not come to rest */
export async function reportParity(compared: AsyncIterable<SessionParity | null>): Promise<ParityReport> {
  const mismatches: SessionParity[] = [];
  const report = {
    sessions: 0,
    same: 0,
    mismatched: 0,
    unsettled: 0,
    missing: 0,
    extra: 0,
    different: 0,
    reordered: 0,
    forgotten: 0,
    contextDifferences: 0,
  };
  for await (const session of compared) {
    report.sessions += 1;
    if (!session) {
      report.unsettled += 1;
      continue;
    }
    report.missing += session.missing;
    report.extra += session.extra;
    report.different += session.different;
    report.reordered += session.reordered;
    report.forgotten += session.forgotten;
    report.contextDifferences += session.contextKeys.length;
    report[session.same ? "same" : "mismatched"] += 1;
    if (!session.same && mismatches.length < MISMATCHES_SHOWN) mismatches.push(session);
  }
  return { ...report, mismatches };
}

/** The report for people. It says where and in which keys, and nothing of what was written. */
export function parityText(report: ParityReport): string {
  const { sessions, same, mismatched, unsettled, forgotten } = report;
  const lines = [
    `${sessions} ${sessions === 1 ? "session" : "sessions"} compared: ${same} the same, ${mismatched} mismatched` +
      (unsettled > 0 ? `, ${unsettled} written to meanwhile` : ""),
    `  ${countsText(report)}` + (forgotten > 0 ? `; ${forgotten} that the dictionary has forgotten` : ""),
  ];
  for (const session of report.mismatches) {
    const { sessionId, legacyMessages, backscrollMessages, differences } = session;
    lines.push(
      `${sessionId}: ${legacyMessages} messages in the dictionary, ${backscrollMessages} in Backscroll`,
      ...differences.map((difference) => `  ${differenceText(difference)}`),
    );
  }
  if (mismatched > report.mismatches.length) lines.push(`and ${mismatched - report.mismatches.length} more sessions`);
  return lines.join("\n");
}

function countsText(report: ParityReport): string {
  const { missing, extra, different, reordered, contextDifferences } = report;
  return `missing ${missing}, extra ${extra}, different ${different}, reordered ${reordered}, in contexts ${contextDifferences}`;
}

function roleOf(message: JsonValue | undefined): string {
  const role = (message as JsonObject | undefined)?.["role"];
  return typeof role === "string" ? role : "no role";
}

function differenceText({ kind, index, keys, legacy, backscroll }: ParityDifference): string {
  switch (kind) {
    case "missing":
      return `missing in Backscroll: message ${index} (${roleOf(legacy)})`;
    case "extra":
      return `only in Backscroll: message ${index} there (${roleOf(backscroll)})`;
    case "different":
      return `different: message ${index} (${roleOf(legacy)}), in ${keys.join(", ")}`;
    case "reordered":
      return `another order: message ${index} (${roleOf(legacy)})`;
    case "context":
      return `the contexts differ in ${keys.join(", ")}`;
  }
}
