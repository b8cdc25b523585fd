import { randomUUID } from "node:crypto";
import { type Bench, CONTENT, openBackscroll, say } from "./bench-context.ts";
import { openBenchRedis } from "./redis.ts";
import { msText, type Section, table, type Target } from "./report.ts";
import { median } from "./rounds.ts";

const OWNER = "owner@example.com";
const READER = "reader@example.com";
const MESSAGES = 20;
const TOLERANCE = 0.05;

/**
 * Whether the time of a 404 tells that a conversation is there: reads of somebody else's, which the cache holds, and of
 * one that does not exist, one after the other in an order that changes.
 */
export async function measureForeignReads({ database, effort }: Bench): Promise<Section> {
  say("reads of somebody else's conversation");
  const redis = await openBenchRedis();
  const rows: string[][] = [];
  const targets: Target[] = [];
  try {
    for (const [cache, environment] of [
      ["in-process cache", { CACHE: "memory" }],
      ["Redis", { REDIS_URL: redis.url }],
    ] as const) {
      const { foreign, missing } = await measurePairs(database.url, environment, effort.foreignPairs);
      const ratio = foreign / missing;
      rows.push([cache, msText(foreign), msText(missing), `${ratio.toFixed(3)}×`]);
      targets.push({
        name: `another's conversation against a missing one, ${cache}`,
        wanted: `within ${TOLERANCE * 100}%`,
        reached: `${ratio.toFixed(3)}×`,
        met: Math.abs(ratio - 1) <= TOLERANCE,
      });
    }
  } finally {
    await redis.close();
  }
  const head = ["cache", "another's, cached", "missing", "medians"];
  const text = `Medians of ${effort.foreignPairs.toLocaleString("en-US")} interleaved pairs, one at a time; each is answered 404.`;
  return { title: "Somebody else's conversation", text: `${text}\n\n${table(head, rows)}`, targets };
}

async function measurePairs(
  url: string,
  environment: Readonly<Record<string, string>>,
  pairs: number,
): Promise<{ foreign: number; missing: number }> {
  const backscroll = await openBackscroll(url, environment, { authenticate });
  const get = async (user: string, id: string): Promise<Response> =>
    backscroll.fetch(
      new Request(`http://localhost/api/conversations/${id}/messages?limit=${MESSAGES}`, {
        headers: { "x-bench-user": user },
      }),
    );
  try {
    const { id: foreignId } = await backscroll.conversations.createConversation(OWNER);
    const messages = Array.from({ length: MESSAGES }, () => ({ role: "user" as const, content: CONTENT }));
    await backscroll.conversations.saveMessages(OWNER, foreignId, messages);
    for (let source = ""; source !== "hit";) {
      source = (await get(OWNER, foreignId)).headers.get("x-backscroll-cache") ?? "";
    }
    const missingId = randomUUID();
    const times: Record<"foreign" | "missing", number[]> = { foreign: [], missing: [] };
    const ids = { foreign: foreignId, missing: missingId };
    const warmUp = Math.ceil(pairs / 20);
    for (let pair = -warmUp; pair < pairs; pair += 1) {
      const order = pair % 2 === 0 ? (["foreign", "missing"] as const) : (["missing", "foreign"] as const);
      for (const which of order) {
        const startedAt = performance.now();
        const response = await get(READER, ids[which]);
        await response.arrayBuffer();
        const ms = performance.now() - startedAt;
        if (response.status !== 404) throw new Error(`a ${which} conversation was answered ${response.status}`);
        if (pair >= 0) times[which].push(ms);
      }
    }
    return { foreign: median(times.foreign), missing: median(times.missing) };
  } finally {
    await backscroll.close();
  }
}

function authenticate(request: Request): string | null {
  return request.headers.get("x-bench-user");
}
