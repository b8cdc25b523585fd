import type { Deps } from "./deps.ts";

/**
 * @returns how the cache is: without it everything works, only slower
 * @throws {BackscrollError} database_unavailable
 */
export async function checkHealth({ db, cache }: Deps): Promise<{ cache: "ok" | "unavailable" | "off" }> {
  await db.query({ name: "check_health", text: "select", values: [] });
  return { cache: cache.state };
}
