import { isDeepStrictEqual } from "node:util";
import type { Violation } from "./checker.ts";
import type { Client } from "./client.ts";
import type { Read } from "./observations.ts";
import { SERVERS } from "./program.ts";
import type { RedisControl } from "./redis-control.ts";
import { type ConversationOfRun, nameOf, type State, type TrueHistory } from "./true-history.ts";

const SETTLE_MS_MAX = 10_000;

/**
 * Reads everything everywhere when all is well again. What nobody could announce is found by an audit, which a hit
 * begins: so each conversation is first read until it is right.
 *
 * @param reads what the client has read so far
 * @returns those that do not become right
 */
export async function readAll(
  client: Client,
  reads: readonly Read[],
  conversations: readonly ConversationOfRun[],
  cacheMessageLimit: number,
): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  // Those at which something changes, and a few more.
  const most = cacheMessageLimit;
  const limits = new Set([1, 2, 3, 7, most - 1, most, most + 1, most + 2, 21, 60]);
  const deadline = performance.now() + SETTLE_MS_MAX;
  for (const conversation of conversations) {
    for (let place = 0; place < SERVERS; place += 1) {
      while (!(await isRight(client, reads, conversation, place))) {
        if (performance.now() < deadline) continue;
        const text = `${reads.at(-1)?.server} does not come to show what PostgreSQL holds`;
        const about = { conversation: nameOf(conversation), at: performance.now() };
        violations.push({ rule: "7: what failed is repaired", ...about, text });
        break;
      }
      for (const limit of limits)
        await client.read(place, conversation, { kind: "recent", limit, label: `${FINAL}${limit}` });
    }
  }
  return violations;
}

const FINAL = "final";

async function isRight(
  client: Client,
  reads: readonly Read[],
  conversation: ConversationOfRun,
  place: number,
): Promise<boolean> {
  await client.read(place, conversation, { kind: "recent", limit: 20, label: "settle" });
  const shown = reads.at(-1);
  await client.read(place, conversation, { kind: "strong", limit: 20, label: "settle" });
  return isDeepStrictEqual(shown?.answer, reads.at(-1)?.answer);
}

/** @returns what of the final reads is not what PostgreSQL holds */
export function checkFinalReads(reads: readonly Read[], history: TrueHistory): readonly Violation[] {
  return reads
    .filter(({ label }) => label.startsWith(FINAL))
    .flatMap(({ server, conversation, limit, answer, end }) => {
      const last = history.get(conversation)?.at(-1);
      const expected = last && !last.gone ? last.messages.slice(0, limit) : null;
      if (isDeepStrictEqual(answer?.messages ?? null, expected)) return [];
      const text = `after everything, ${server} with limit ${limit} shows something else than PostgreSQL`;
      return [{ rule: "9: afterwards every read equals the database", conversation, at: end, text }];
    });
}

/**
 * Compares what lies in Redis with PostgreSQL.
 *
 * @param keyOf the name of one of the conversation's keys
 * @returns what is wrong; undefined when nothing is
 */
export async function wrongInRedis(
  redis: RedisControl,
  keyOf: (key: "messages" | "version") => string,
  { version, gone, messages }: State,
  cacheMessageLimit: number,
): Promise<string | undefined> {
  const elements = (await redis.ask("LRANGE", keyOf("messages"), "0", "-1")) as (string | Buffer)[];
  if (elements.length === 0) return undefined;
  if (gone) return "a conversation that is gone is cached";
  const cached = (await redis.ask("GET", keyOf("version"))) as string | Buffer | null;
  const texts = elements.map(String);
  const whole = texts.at(-1) === "^";
  const shown = (whole ? texts.slice(0, -1) : texts).map((text) => JSON.stringify(JSON.parse(text)));
  const expected = messages.slice(0, cacheMessageLimit + 1 - Number(whole));
  if (cached !== null && Number(cached) !== version) return `version ${String(cached)} instead of ${version}`;
  if (!isDeepStrictEqual(shown, expected)) return `${shown.length} messages that are not the newest`;
  return whole === messages.length < elements.length ? undefined : "the mark of the beginning is wrong";
}
