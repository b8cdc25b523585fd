import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { SignJWT } from "jose";
import { resolveUser } from "../../packages/backscroll/src/service/users.ts";
import { openBackscroll, say, USER } from "../bench-context.ts";
import { type BenchDatabase, openBenchDatabase } from "../database.ts";
import { openBenchRedis } from "../redis.ts";
import { none, type Section, table } from "../report.ts";
import { median } from "../rounds.ts";
import { type BenchService, startService } from "../service.ts";
import { measureLoad } from "../turns.ts";
import { openPacedModel } from "../turns-model.ts";

const STREAMS = 1_000;
/** After so long, what starting and connecting left behind is garbage that has been collected, or it is kept. */
const SETTLED_MS = 10_000;
const SECRET = "a secret of a measurement, of 32 bytes";
const METRICS_TOKEN = "footprint";

/** What the service's process holds: idle, with a thousand people who listen, and with a thousand replies under way. */
export async function measureMemory(runs: number, dataDir: string): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const database = await openBenchDatabase();
  stack.defer(() => database.close());
  const redis = await openBenchRedis();
  stack.defer(() => redis.close());

  const embedded: number[] = [];
  const external: number[] = [];
  const listening: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    embedded.push(await idleMb({ BACKSCROLL_DATA_DIR: dataDir }));
    const [idle, withStreams] = await listenersMb({ DATABASE_URL: database.url, REDIS_URL: redis.url });
    external.push(idle);
    listening.push(withStreams);
    say(`idle ${embedded.at(-1)?.toFixed(0)} and ${idle.toFixed(0)} MB, with listeners ${withStreams.toFixed(0)} MB`);
  }
  const [replies, lost] = await repliesMb(database, redis.url);
  say(`replies: ${replies.map((mb) => mb.toFixed(0)).join(", ")} MB`);
  const [before, peak, after] = replies;
  const rows = [
    ["idle, embedded PostgreSQL, cache in memory", mb(median(embedded)), ""],
    ["idle, `DATABASE_URL` and `REDIS_URL`", mb(median(external)), ""],
    [
      `${count(STREAMS)} event streams open, each another person's`,
      mb(median(listening)),
      perStream(median(listening.map((value, run) => value - (external[run] ?? Number.NaN)))),
    ],
    [`before ${count(STREAMS)} replies, after a few turns`, mb(before), ""],
    [`${count(STREAMS)} replies being written and streamed, the most`, mb(peak), perStream(peak - before)],
    ["3 s after them", mb(after), ""],
  ];
  return {
    title: "Memory",
    text:
      `RSS of the service's process, ${SETTLED_MS / 1_000} s after it started or they opened; medians of ${runs}. The ` +
      `replies, 3 tokens a second each, are one run on a heap limited to 512 MB. PostgreSQL and Redis are processes of ` +
      `their own, and not in it.\n\n${table(["", "RSS", "a stream"], rows)}`,
    targets: [none(`streamed turns that lost anything, of ${count(STREAMS)}`, lost.slice(0, 5))],
  };
}

function mb(value: number): string {
  return `${Math.round(value)} MB`;
}

function perStream(megabytes: number): string {
  return `${Math.round((megabytes * 1_024) / STREAMS)} kB`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

async function idleMb(environment: Readonly<Record<string, string>>): Promise<number> {
  const service = await startService({ LOG_LEVEL: "silent", ...environment });
  try {
    await pause(SETTLED_MS);
    return await service.memoryMb();
  } finally {
    await service.close();
  }
}

/** @returns idle, and with a thousand event streams open */
async function listenersMb(environment: Readonly<Record<string, string>>): Promise<[number, number]> {
  const service = await startService({
    LOG_LEVEL: "silent",
    JWT_SECRET: SECRET,
    RATE_LIMITS: "off",
    METRICS_TOKEN,
    ...environment,
  });
  const open: ClientRequest[] = [];
  try {
    await pause(SETTLED_MS);
    const idle = await service.memoryMb(METRICS_TOKEN);
    for (let nth = 0; nth < STREAMS; nth += 1) open.push(await listen(service, await signToken(nth)));
    await pause(SETTLED_MS);
    return [idle, await service.memoryMb(METRICS_TOKEN)];
  } finally {
    for (const each of open) each.destroy();
    await service.close();
  }
}

function signToken(nth: number): Promise<string> {
  return new SignJWT({ email: `listener-${nth}@example.com` })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
}

/** @returns an event stream that has begun */
async function listen({ url }: BenchService, token: string): Promise<ClientRequest> {
  const sent = request(`${url}/api/events`, { agent: false, headers: { authorization: `Bearer ${token}` } });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`/api/events answered ${response.statusCode}`);
  await once(response, "data");
  // It is closed from this side.
  response.on("error", () => undefined).resume();
  sent.on("error", () => undefined);
  return sent;
}

/** @returns RSS before, at the peak and after; and what was lost */
async function repliesMb(
  database: BenchDatabase,
  redisUrl: string,
): Promise<[memory: readonly [number, number, number], lost: readonly string[]]> {
  const seeder = await openBackscroll(database.url);
  const userId = await resolveUser(seeder.deps, USER);
  await seeder.close();
  const model = await openPacedModel();
  try {
    const load = { turns: STREAMS, tokensPerSecond: 3, tokens: 30, startedWithinMs: 5_000 };
    const [first] = await measureLoad({ database, seeded: { userId }, model }, load, { REDIS_URL: redisUrl });
    if (!first) throw new Error("nothing was measured");
    return [first.memory, first.problems];
  } finally {
    await model.close();
  }
}
