/** Where the guide's tables are. */
export interface GuideUrl {
  /** as `pg` takes it */
  readonly connectionString: string;
  /** null: where the connection's own search_path leads */
  readonly schema: string | null;
  readonly connectTimeoutMs: number;
}

/** https://www.prisma.io/docs/orm/overview/databases/postgresql#arguments: nothing of it is for PostgreSQL or `pg`. */
const PRISMAS_OWN = [
  "schema",
  "connection_limit",
  "connect_timeout",
  "pool_timeout",
  "socket_timeout",
  "max_connection_lifetime",
  "max_idle_connection_lifetime",
  "single_use_connections",
  "statement_cache_size",
  "pgbouncer",
  "sslaccept",
] as const;

const CONNECT_TIMEOUT_S = 10;

/**
 * Reads a connection string as an app's Prisma has it.
 *
 * @throws {Error} saying what is wrong, without any of it: it may hold a password
 */
export function parseGuideUrl(text: string): GuideUrl {
  if (/^prisma(\+postgres)?:/.test(text)) {
    throw new Error("this URL leads to Prisma's own proxy: give the one of the PostgreSQL behind it (postgres://…)");
  }
  if (!/^postgres(ql)?:\/\//.test(text)) throw new Error("the URL must begin with postgres:// or postgresql://");
  if (!URL.canParse(text)) {
    throw new Error("this is no URL: reserved characters in its user and password must be percent-encoded");
  }
  const url = new URL(text);
  const { searchParams: given } = url;
  if (given.has("sslidentity")) {
    throw new Error("sslidentity cannot be used here: give sslcert, sslkey and sslrootcert, as psql takes them");
  }
  const accept = given.get("sslaccept");
  if (accept !== null && given.get("sslmode") !== "disable") {
    given.set("sslmode", accept === "strict" ? "verify-full" : "no-verify");
  }
  const schema = given.get("schema") ?? "";
  const seconds = Number(given.get("connect_timeout") ?? CONNECT_TIMEOUT_S);
  for (const name of PRISMAS_OWN) given.delete(name);
  return {
    connectionString: url.href,
    schema: schema === "" ? null : schema,
    connectTimeoutMs: 1_000 * (seconds > 0 ? seconds : CONNECT_TIMEOUT_S),
  };
}
