import { type Config, loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { openRedisCache } from "../create-cache.ts";
import { errorMessage } from "../domain/errors.ts";
import { startEmbeddedPostgres } from "../postgres/embedded.ts";
import { findDatabaseId } from "../postgres/installation.ts";
import { migrate } from "../postgres/migrate.ts";
import { openDatabase } from "../postgres/pool.ts";
import { findRoute } from "../postgres/pooler.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

const CONNECT_MS = 5_000;

/**
 * Drops every cached conversation of this database from Redis. For after a restore from a backup: what was cached
 * before it may be of a future that the database has lost.
 */
export async function dropCacheCommand(terminal: Terminal, flags: Partial<Record<SettingName, string>>): Promise<void> {
  const config = loadConfig(process.env, flags);
  if (config.redisUrl === undefined) {
    throw new CommandError(
      EXIT.usage,
      "REDIS_URL must say where the cache is, as the service has it. A cache in memory goes with its process: " +
        "restart the service instead",
    );
  }
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: config.dataDir, share: true })
      : undefined;
  try {
    const databaseId = await databaseIdOf(
      config,
      config.databaseDirectUrl ?? config.databaseUrl ?? embedded?.connectionString ?? "",
    );
    const faults: string[] = [];
    const { cache, description } = await openRedisCache(config, databaseId, {
      connectTimeoutMs: CONNECT_MS,
      onError: (error) => faults.push(errorMessage(error)),
    });
    try {
      await cache.drop();
    } catch (error) {
      const reason = faults.at(-1) ?? `${description}: ${errorMessage(error)}`;
      throw new CommandError(
        EXIT.unreachable,
        `the cache was not dropped, or not all of it: ${reason} (is REDIS_URL right, and the server running?)`,
        { cause: error },
      );
    } finally {
      await cache.close();
    }
    if (terminal.json) terminal.data(`${JSON.stringify({ cache: "empty" })}\n`);
    terminal.say(`The cache is empty: ${description}.`);
  } finally {
    await embedded?.stop();
  }
}

/** The restored database may be of an older version. */
async function databaseIdOf({ pgPrepare }: Config, connectionString: string): Promise<string> {
  await migrate(connectionString);
  const db = openDatabase({
    connectionString,
    max: 1,
    connectionTimeoutMs: CONNECT_MS,
    statementTimeoutMs: CONNECT_MS,
    prepare: pgPrepare,
    direct: (await findRoute(connectionString)) === "direct",
    onIdleError: () => undefined,
  });
  try {
    return await findDatabaseId(db);
  } finally {
    await db.close();
  }
}
