/** Where Redis is, as a URL says it. */
export interface RedisTarget {
  readonly topology: "single" | "cluster" | "sentinel";
  /** the server; some nodes of the cluster; the Sentinels */
  readonly servers: readonly [Server, ...Server[]];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** what the Sentinels call the master */
  readonly masterName: string;
}

export interface Server {
  readonly host: string;
  readonly port: number;
}

const PORT = 6379;
const SENTINEL_PORT = 26_379;

const FORMS =
  "the Redis URL must be like redis://user:password@host:6379/0, redis+cluster://host:6379,host:6379 or " +
  "redis+sentinel://host:26379,host:26379/master-name, with rediss for TLS, an IPv6 host in brackets, and the " +
  "reserved characters of a user or password percent-encoded";

/** @throws saying what to write, without the value: it may hold a password */
export function parseRedisUrl(url: string): RedisTarget {
  const match = /^(rediss?)(?:\+(cluster|sentinel))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#@]+)(?:\/([^?#]*))?$/i.exec(
    url,
  );
  if (!match) throw new Error(FORMS);
  const [, scheme = "", topology = "single", username, password, hosts = "", path = ""] = match;
  const isSentinel = topology.toLowerCase() === "sentinel";
  const [first, ...others] = hosts.split(",").map((each) => parseServer(each, isSentinel ? SENTINEL_PORT : PORT));
  const [masterName = "", database] = isSentinel ? path.split("/").map(decode) : ["", path];
  if (!first || (topology === "single" && others.length > 0) || isSentinel !== (masterName !== "")) {
    throw new Error(FORMS);
  }
  if (!/^\d{0,9}$/.test(database ?? "") || (topology.toLowerCase() === "cluster" && path !== ""))
    throw new Error(FORMS);
  return {
    topology: topology.toLowerCase() as RedisTarget["topology"],
    servers: [first, ...others],
    tls: scheme.toLowerCase() === "rediss",
    username: username ? decode(username) : undefined,
    password: password ? decode(password) : undefined,
    database: Number(database ?? ""),
    masterName,
  };
}

/** `host`, `host:port`, `[IPv6]` or `[IPv6]:port` */
function parseServer(text: string, defaultPort: number): Server {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[3] ?? defaultPort);
  if (!match || port < 1 || port > 65_535) throw new Error(FORMS);
  return { host: match[1] ?? match[2] ?? "", port };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(FORMS);
  }
}
