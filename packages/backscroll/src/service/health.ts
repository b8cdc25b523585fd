import type { Deps } from "./deps.ts";

/** @throws {BackscrollError} database_unavailable */
export async function checkHealth({ db }: Deps): Promise<void> {
  await db.query({ name: "check_health", text: "select", values: [] });
}
