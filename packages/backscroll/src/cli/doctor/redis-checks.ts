import type { RedisServer } from "../../cache/redis/diagnosis.ts";
import { parseRedisUrl } from "../../cache/redis/url.ts";
import { errorMessage } from "../../domain/errors.ts";
import { isLoopback } from "../../domain/loopback.ts";
import { bytes, type Check, fail, milliseconds, ok, unreachable, type Verdict, warn } from "./check.ts";
import type { Findings } from "./findings.ts";

const NAMES = { single: "one server", cluster: "a cluster", sentinel: "by Sentinel" } as const;
const TTL_WARN_S = 60;

/** Whether Redis is there, and the cache what it should be. */
export const REDIS_CHECKS: readonly Check[] = [
  { id: "redis", title: "Redis", examine: examineReach },
  onServers("redis-version", "Redis' version", (servers) => {
    const known = servers.flatMap(({ name, info }) => (info ? [{ name, ...info }] : []));
    const old = known.filter(({ isTooOld }) => isTooOld);
    if (known.length === 0) return null;
    if (old.length === 0) return ok([...new Set(known.map(({ version }) => version))].join(", "));
    const found = old.map(({ name, version }) => `${version} on ${name}`).join(", ");
    return fail(`${found} is too old`, "Upgrade to Redis 7.0 or later, or Valkey");
  }),
  onServers("redis-writable", "Redis takes writes", (servers) => {
    const replicas = servers.filter(({ info }) => info?.isReplica === true);
    if (replicas.length === 0) return null;
    return fail(
      `${namesOf(replicas)} is a replica: it takes no writes`,
      "Let REDIS_URL lead to the master, or name the Sentinels: redis+sentinel://host:26379/master-name",
    );
  }),
  onServers("redis-rights", "Rights in Redis", (servers) => {
    const refused = servers.flatMap(({ refusals }) => refusals);
    const mayNotAsk = servers.filter(({ info }) => info === null);
    const fix =
      "acl setuser <user> ~backscroll:* &backscroll:* +@read +@write +@scripting +@pubsub +@connection -@dangerous +info, in a cluster also +cluster|slots";
    if (refused.length > 0) return fail([...new Set(refused)].join("; "), fix);
    if (mayNotAsk.length === 0) return ok("the user may do what Backscroll does");
    return warn(`the user may not ask INFO of ${namesOf(mayNotAsk)}: a restart behind a proxy goes unnoticed`, fix);
  }),
  onServers("redis-memory", "Redis' memory", examineMemory),
  onServers("redis-latency", "Round trip to Redis", (servers, { config }) => {
    const slowest = servers.reduce((max, { pingMs }) => Math.max(max, pingMs), 0);
    if (slowest < config.cacheTimeoutMs / 4) return ok(milliseconds(slowest));
    return warn(
      `${milliseconds(slowest)}; a call that takes ${config.cacheTimeoutMs} ms is given up`,
      "Run Redis beside Backscroll, look for load on it (redis-cli --latency, slowlog get), or raise CACHE_TIMEOUT_MS",
    );
  }),
  {
    id: "redis-tls",
    title: "Encryption to Redis",
    examine({ config: { redisUrl }, redis }) {
      if (redisUrl === undefined || !redis?.value) return null;
      const { tls, servers } = parseRedisUrl(redisUrl);
      if (tls) return ok("TLS");
      const open = servers.filter(({ host }) => !isLoopback(host));
      if (open.length === 0) return null;
      return warn(
        `the newest messages go to ${open.map(({ host }) => host).join(", ")} in the clear`,
        "Turn on TLS in Redis and write rediss:// in REDIS_URL, unless that network is yours alone",
      );
    },
  },
  { id: "cache", title: "Cache", examine: examineCache },
  {
    id: "cache-ttl",
    title: "Time in the cache",
    examine({ config: { cacheTtl, cacheActiveTtl }, cacheKind, bad }) {
      if (cacheKind === "off" || bad.has("cacheTtl") || bad.has("cacheActiveTtl")) return null;
      const detail = `CACHE_TTL=${cacheTtl} s, CACHE_ACTIVE_TTL=${cacheActiveTtl} s`;
      if (Math.min(cacheTtl, cacheActiveTtl) >= TTL_WARN_S) return ok(detail);
      return warn(`${detail}: people come back later than that, and miss`, "Raise them to 3600, the default");
    },
  },
];

function onServers(
  id: string,
  title: string,
  examine: (servers: readonly RedisServer[], findings: Findings) => Verdict | null,
): Check {
  return {
    id,
    title,
    examine(findings) {
      const servers = findings.redis?.value?.servers ?? [];
      return servers.length === 0 ? null : examine(servers, findings);
    },
  };
}

function examineReach({ redis, config }: Findings): Verdict | null {
  if (redis === null) return null;
  if (!redis.value) return unreachable(errorMessage(redis.error), fixOf(errorMessage(redis.error)));
  const { topology, servers, unreached, slotsUncovered } = redis.value;
  const faults = unreached.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  if (servers.length === 0) return unreachable(faults, fixOf(faults));
  if (slotsUncovered > 0) {
    return unreachable(
      `${slotsUncovered} of the cluster's slots have no master`,
      "Start the masters that are missing, or let a replica take over: redis-cli --cluster check <host:port>",
    );
  }
  const detail = `${NAMES[topology]}: ${namesOf(servers)}; keys begin with ${config.cacheKeyPrefix}`;
  if (unreached.length === 0) return ok(detail);
  return unreached.some(({ holdsKeys }) => holdsKeys)
    ? unreachable(faults, fixOf(faults))
    : warn(faults, fixOf(faults));
}

function examineMemory(servers: readonly RedisServer[]): Verdict | null {
  const known = servers.flatMap(({ name, info }) => (info ? [{ name, ...info }] : []));
  const [first] = known;
  if (!first) return null;
  const full = known.filter(({ maxBytes, policy }) => maxBytes !== null && policy === "noeviction");
  if (full.length > 0) {
    return warn(
      `maxmemory with noeviction on ${namesOf(full)}: once it is full, writes fail and nothing new is cached`,
      "redis-cli config set maxmemory-policy allkeys-lru, and the same in redis.conf",
    );
  }
  return ok(
    known
      .map(({ usedBytes, maxBytes, policy, evictedKeys }) =>
        maxBytes === null
          ? `${bytes(usedBytes)} used, no maxmemory`
          : `${bytes(usedBytes)} of ${bytes(maxBytes)} used, ${policy}, ${evictedKeys.toLocaleString("en")} keys evicted`,
      )
      .join("; "),
  );
}

function examineCache({ cacheKind, config, bad }: Findings): Verdict | null {
  if (["cache", "redisUrl", "databaseUrl"].some((name) => bad.has(name as "cache"))) return null;
  if (cacheKind === "redis") return ok(`in Redis, the newest ${config.cacheMessageLimit} messages of a conversation`);
  if (cacheKind === "memory" && config.databaseUrl !== undefined) {
    return warn(
      "in the memory of one process: every further server has another one",
      "Set REDIS_URL as soon as more than one server runs, and leave CACHE out",
    );
  }
  if (cacheKind === "memory") return ok(`in memory, ${config.cacheMemoryMb} MB`);
  return warn(
    config.cache === "off" ? "CACHE=off: every read asks PostgreSQL" : "there is none: every read asks PostgreSQL",
    config.redisUrl === undefined ? "Set REDIS_URL, e.g. redis://localhost:6379" : "Leave CACHE out: REDIS_URL is set",
  );
}

function namesOf(servers: readonly { readonly name: string }[]): string {
  return servers.map(({ name }) => name).join(", ");
}

/** What Redis or the way to it says, and what to do. */
const FIXES: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/ECONNREFUSED/, "Start Redis, or correct the host and port in REDIS_URL; then redis-cli -h <host> -p <port> ping"],
  [/ENOTFOUND|EAI_AGAIN/, "Correct the host name in REDIS_URL: it is not found"],
  [/WRONGPASS|NOAUTH|AUTH/, "Correct the user and password in REDIS_URL"],
  [/NOPERM/, "Give the user of REDIS_URL the rights that docs/cache.md names"],
  [/no master of that name/, "Correct the master's name, at the end of REDIS_URL: it is what sentinel.conf monitors"],
  [
    /CERT|SSL|TLS/i,
    "Correct rediss:// in REDIS_URL; a private certificate authority: NODE_EXTRA_CA_CERTS=/path/to/ca.pem",
  ],
  [
    /no answer|no connection|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    "Is Redis frozen, or a firewall between? Try: redis-cli -h <host> -p <port> ping",
  ],
];

function fixOf(reason: string): string {
  return FIXES.find(([pattern]) => pattern.test(reason))?.[1] ?? "Check that Redis runs, and REDIS_URL";
}
