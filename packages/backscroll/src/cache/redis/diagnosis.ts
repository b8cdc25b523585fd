import { randomUUID } from "node:crypto";
import { ErrorReply } from "redis";
import { errorMessage } from "../../domain/errors.ts";
import { nameOf, VERSION_MIN } from "./connection.ts";
import { askSentinels } from "./sentinel.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";
import { parseSlots, SLOTS } from "./slots.ts";
import { parseRedisUrl, type RedisTarget, type Server } from "./url.ts";

/** A Redis as it is now; reading it changed nothing. */
export interface RedisDiagnosis {
  readonly topology: RedisTarget["topology"];
  /** those that hold keys and answered */
  readonly servers: readonly RedisServer[];
  /** those of the URL, and masters, that did not */
  readonly unreached: readonly Unreached[];
  /** slots of a cluster that no master has; 0 otherwise */
  readonly slotsUncovered: number;
}

export interface RedisServer {
  readonly name: string;
  /** null: the user may not ask INFO */
  readonly info: RedisInfo | null;
  /** of a PING, the middle one of five */
  readonly pingMs: number;
  /** what the user may not do, as Redis says it */
  readonly refusals: readonly string[];
}

interface RedisInfo {
  /** e.g. `Redis 7.0.15`, `Valkey 8.1.1` */
  readonly version: string;
  readonly isTooOld: boolean;
  readonly isReplica: boolean;
  readonly usedBytes: number;
  /** null: no limit */
  readonly maxBytes: number | null;
  readonly policy: string;
  readonly evictedKeys: number;
}

interface Unreached {
  readonly name: string;
  /** false: it only tells where those are that hold keys */
  readonly holdsKeys: boolean;
  readonly reason: string;
}

const PINGS = 5;
const UNKNOWN_SCRIPT = "0".repeat(40);

/**
 * Looks at every server that a Redis URL leads to, at once.
 *
 * @param prefix what keys begin with
 * @param deadlineMs for all of it: afterwards nothing is left open, whatever the servers do
 * @throws when the URL is none of Redis
 */
export async function diagnoseRedis(url: string, prefix: string, deadlineMs: number): Promise<RedisDiagnosis> {
  const target = parseRedisUrl(url);
  const over = new AbortController();
  const tooLate = new Error(`no answer within ${deadlineMs / 1_000} s`);
  const timer = setTimeout(() => over.abort(tooLate), deadlineMs);
  const looking: Looking = { target: { ...target, connectTimeoutMs: deadlineMs }, prefix, signal: over.signal };
  try {
    if (target.topology === "cluster") return await lookAtCluster(looking);
    if (target.topology === "sentinel") return await lookAtSentinels(looking);
    return { topology: "single", slotsUncovered: 0, ...(await lookAtServers(looking, target.servers)) };
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

interface Looking {
  readonly target: RedisTarget & SessionOptions;
  readonly prefix: string;
  readonly signal: AbortSignal;
}

type Looked = Pick<RedisDiagnosis, "servers" | "unreached">;

async function lookAtServers(looking: Looking, servers: readonly Server[]): Promise<Looked> {
  const { prefix } = looking;
  const { answers, unreached } = await askEach(looking, servers, (session, server) => lookAt(session, server, prefix));
  return { servers: answers, unreached: unreached.map((each) => ({ ...each, holdsKeys: true })) };
}

/** Asks each server on a connection of its own. */
async function askEach<Answer>(
  { target, signal }: Looking,
  servers: readonly Server[],
  ask: (session: Session, server: Server) => Promise<Answer>,
): Promise<{ answers: readonly Answer[]; unreached: readonly Unreached[] }> {
  const answers: Answer[] = [];
  const unreached: Unreached[] = [];
  await Promise.all(
    servers.map(async (server) => {
      try {
        const session = await inTime(openSession(server, target, signal), signal);
        try {
          answers.push(await inTime(ask(session, server), signal));
        } finally {
          session.close();
        }
      } catch (error) {
        const reason = signal.aborted ? signal.reason : error;
        unreached.push({ name: nameOf(server), holdsKeys: false, reason: errorMessage(reason) });
      }
    }),
  );
  return { answers, unreached };
}

async function inTime<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const late = Promise.withResolvers<never>();
  const onAbort = (): void => late.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function lookAtSentinels(looking: Looking): Promise<RedisDiagnosis> {
  const { target, signal } = looking;
  const { servers: sentinels, masterName } = target;
  // One after the other, as the service does, each alone: which of them would be missed later is seen now.
  const asked = await Promise.all(
    sentinels.map(async (sentinel) => {
      try {
        const master = await inTime(askSentinels([sentinel], masterName, target)(signal), signal);
        return { master };
      } catch (error) {
        const reason = errorMessage(signal.aborted ? signal.reason : error);
        return { unreached: { name: `Sentinel ${nameOf(sentinel)}`, holdsKeys: false, reason } };
      }
    }),
  );
  const masters = new Map(asked.flatMap(({ master }) => (master ? [[nameOf(master), master] as const] : [])));
  const { servers, unreached } = await lookAtServers(looking, [...masters.values()]);
  const silent = asked.flatMap((each) => (each.unreached ? [each.unreached] : []));
  return { topology: "sentinel", servers, unreached: [...silent, ...unreached], slotsUncovered: 0 };
}

async function lookAtCluster(looking: Looking): Promise<RedisDiagnosis> {
  const seeds = await askEach(looking, looking.target.servers, async (session, seed) =>
    parseSlots(await session.send(["CLUSTER", "SLOTS"]), seed),
  );
  const ranges = seeds.answers[0] ?? [];
  const masters = new Map(ranges.map(({ master }) => [nameOf(master), master]));
  const looked = await lookAtServers(looking, [...masters.values()]);
  const covered = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const unreached = new Map([...seeds.unreached, ...looked.unreached].map((each) => [each.name, each]));
  return {
    topology: "cluster",
    servers: looked.servers,
    unreached: [...unreached.values()],
    slotsUncovered: seeds.answers.length === 0 ? 0 : SLOTS - covered,
  };
}

async function lookAt(session: Session, server: Server, prefix: string): Promise<RedisServer> {
  const info = await session.send(["INFO"]).then(parseInfo, refusedAs(null));
  const pings: number[] = [];
  for (let n = 0; n < PINGS; n += 1) {
    const startedAt = performance.now();
    await session.send(["PING"]);
    pings.push(performance.now() - startedAt);
  }
  const pingMs = pings.toSorted((a, b) => a - b)[PINGS >> 1] ?? 0;
  return { name: nameOf(server), info, pingMs, refusals: await findRefusals(session, prefix) };
}

/** Tries what the service does, on a key that nobody has: nothing changes. */
async function findRefusals(session: Session, prefix: string): Promise<readonly string[]> {
  const key = `${prefix}doctor:${randomUUID()}`;
  const tries = [
    session.send(["LRANGE", key, "0", "0"]),
    session.send(["PEXPIRE", key, "1"]),
    session.send(["EVALSHA", UNKNOWN_SCRIPT, "1", key]),
    session.subscribe([key], () => undefined),
  ];
  const refusals = await Promise.all(tries.map((tried) => tried.then(() => null, refusal)));
  return refusals.filter((each) => each !== null);
}

function refusal(error: unknown): string | null {
  if (!(error instanceof ErrorReply)) throw error;
  // Of a script that is not there and of a key that lies elsewhere the user is told only when they may ask.
  return error.message.startsWith("NOPERM") ? error.message : null;
}

function refusedAs<Value>(value: Value): (error: unknown) => Value {
  return (error) => {
    if (error instanceof ErrorReply) return value;
    throw error;
  };
}

function parseInfo(reply: unknown): RedisInfo {
  const fields = new Map([...String(reply).matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name, value]));
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  const version = fields.get("redis_version") ?? "";
  const valkey = fields.get("valkey_version");
  return {
    version: valkey === undefined ? `Redis ${version}` : `Valkey ${valkey}`,
    isTooOld: Number.parseInt(version, 10) < VERSION_MIN,
    isReplica: fields.get("role") === "slave",
    usedBytes: number("used_memory"),
    maxBytes: number("maxmemory") || null,
    policy: fields.get("maxmemory_policy") ?? "",
    evictedKeys: number("evicted_keys"),
  };
}
