import { loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { startEmbeddedPostgres } from "../postgres/embedded.ts";
import { migrate } from "../postgres/migrate.ts";
import type { Terminal } from "./terminal.ts";

/** Brings the database to the newest version; the service does the same when it starts. */
export async function migrateCommand(terminal: Terminal, flags: Partial<Record<SettingName, string>>): Promise<void> {
  const config = loadConfig(process.env, flags);
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: config.dataDir, share: true })
      : undefined;
  try {
    const applied = await migrate(config.databaseDirectUrl ?? config.databaseUrl ?? embedded?.connectionString ?? "");
    if (terminal.json) terminal.data(`${JSON.stringify({ applied })}\n`);
    terminal.say(applied.length === 0 ? "The database is up to date." : `Applied: ${applied.join(", ")}`);
  } finally {
    await embedded?.stop();
  }
}
