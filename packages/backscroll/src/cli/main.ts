#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { ConfigError } from "../config.ts";
import { defaultText, flagOf, SETTINGS, type SettingName } from "../settings.ts";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import { loggedError } from "../domain/logged-error.ts";
import { dropCacheCommand } from "./cache.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { createKeyCommand, listKeysCommand, revokeKeyCommand } from "./key.ts";
import { migrateCommand } from "./migrate.ts";
import { serve } from "./serve.ts";
import { scanCommand } from "./sessions-scan.ts";
import { CommandError, createTerminal, EXIT } from "./terminal.ts";
import { eraseUserCommand } from "./user.ts";
import { VERSION } from "../version.ts";

function createProgram(): Command {
  const program = new Command("backscroll")
    .description("Durable conversation history for AI chat applications")
    .version(VERSION)
    .option("--json", "write results as JSON, to standard output")
    .option("--quiet", "say nothing but errors")
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(--help shows what there is)")
    .exitOverride();

  withSettings(program.command("serve", { isDefault: true }).description("run the service (the default)")).action(
    (flags) => serve(createTerminal(program.opts()), settings(flags), VERSION),
  );
  withSettings(
    program.command("migrate").description("bring the database to the newest version"),
    DATABASE_SETTINGS,
  ).action((flags) => migrateCommand(createTerminal(program.opts()), settings(flags)));
  withSettings(
    program
      .command("export")
      .description("write every conversation, or one person's, as JSON")
      .option("--user <email>", "only this person's")
      .option("--output <file>", "write to this file, whole or not at all; default: standard output"),
    DATABASE_SETTINGS,
  ).action((flags) => exportCommand(createTerminal(program.opts()), settings(flags), flags));
  withSettings(
    program
      .command("import")
      .description("read an export; what is there already is skipped")
      .argument("<file>", "the export; - for standard input")
      .option("--user <email>", "give it all to this person, whoever the export names"),
    [...DATABASE_SETTINGS, "messageBytesMax", "cache", ...REDIS_SETTINGS],
  ).action((file: string, flags) => importCommand(createTerminal(program.opts()), settings(flags), { file, ...flags }));
  addKeyCommands(program);
  withSettings(
    program
      .command("user")
      .description("look after people")
      .command("erase")
      .description("remove a person and all that they have, for good; `export --user` keeps a copy")
      .argument("<email>", "whom, as their tokens name them")
      .option("--yes", "do not ask"),
    [...DATABASE_SETTINGS, "cache", ...REDIS_SETTINGS],
  ).action((user: string, flags) =>
    eraseUserCommand(createTerminal(program.opts()), settings(flags), { user, ...flags }),
  );
  const cache = program.command("cache").description("look after the cache");
  withSettings(
    cache
      .command("drop")
      .description("drop what is cached of this database from Redis: needed once a backup has been restored"),
    [...DATABASE_SETTINGS, ...REDIS_SETTINGS],
  ).action((flags) => dropCacheCommand(createTerminal(program.opts()), settings(flags)));
  program
    .command("sessions")
    .description("leave a dictionary of sessions behind")
    .command("scan")
    .description("find every use of a session dictionary in Python, JavaScript and TypeScript, and what replaces it")
    .argument("<dir>", "where the sources are; what .gitignore names is left out")
    .option("--output <file>", "the mapping document; default: MIGRATION.md, and none with --json or --fix")
    .option(
      "--fix",
      "show what is certain in TypeScript and JavaScript rewritten, the rest marked; then ask, and write",
    )
    .option("--yes", "do not ask")
    .option("--store <module>", "what rewritten files import `store` from, relative to <dir>", "session-store")
    .action((directory: string, flags) => scanCommand(createTerminal(program.opts()), { directory, ...flags }));
  return program;
}

function addKeyCommands(program: Command): void {
  const key = program.command("key").description("API keys, for backends, scripts and logging in without tokens");
  withSettings(
    key
      .command("create")
      .description("make a key, and show it once: standard output is the key alone")
      .requiredOption("--user <email>", "whose it is, as their tokens name them; they need not be known yet")
      .option("--name <name>", "what people call it", "")
      .option("--scope <scope>", "own: that user's history; admin: everybody's, by the header x-backscroll-user", "own")
      .option("--expires-days <days>", "how long it is good, from 1 to 36500; default: until it is revoked"),
    DATABASE_SETTINGS,
  ).action((flags) => createKeyCommand(createTerminal(program.opts()), settings(flags), flags));
  withSettings(
    key.command("list").description("show every key, whose it is, and when it was last used"),
    DATABASE_SETTINGS,
  ).action((flags) => listKeysCommand(createTerminal(program.opts()), settings(flags)));
  withSettings(
    key
      .command("revoke")
      .description("end a key, and the logins made with it, within 5 seconds")
      .argument("<id>", "its id, as `key list` shows it"),
    DATABASE_SETTINGS,
  ).action((id: string, flags) => revokeKeyCommand(createTerminal(program.opts()), settings(flags), id));
}

const DATABASE_SETTINGS: readonly SettingName[] = ["databaseUrl", "dataDir", "logLevel"];
/** Which cache it is that has to be told. */
const REDIS_SETTINGS: readonly SettingName[] = ["redisUrl", "cacheKeyPrefix"];

/** Every setting is a flag too. */
function withSettings(command: Command, names = Object.keys(SETTINGS) as readonly SettingName[]): Command {
  for (const name of names) {
    const setting = SETTINGS[name];
    const fallback = defaultText(setting).replaceAll("`", "");
    command.option(
      `${flagOf(setting)} <value>`,
      `${setting.doc.replaceAll("`", "")} (env: ${setting.env}; default: ${fallback})`,
    );
  }
  return command;
}

/** Only what was given as a flag: `loadConfig` reads the environment itself. */
function settings(flags: Record<string, unknown>): Partial<Record<SettingName, string>> {
  return Object.fromEntries(
    (Object.keys(SETTINGS) as SettingName[])
      .map((name) => [name, flags[camelCase(flagOf(SETTINGS[name]).slice(2))]] as const)
      .filter(([, value]) => typeof value === "string"),
  );
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof ConfigError) return EXIT.usage;
  if (error instanceof BackscrollError && error.code === "database_unavailable") return EXIT.unreachable;
  return isUnreachable(error) ? EXIT.unreachable : EXIT.failed;
}

function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnreachable);
  return (
    error instanceof Error &&
    "code" in error &&
    /^(ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|28P01|28000|3D000|57P03)$/.test(String(error.code))
  );
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 12)) {
  process.stderr.write(`Backscroll needs Node.js 22.12 or later; this is ${process.versions.node}\n`);
  process.exit(EXIT.usage);
}
process.on("uncaughtException", (error) => {
  // By itself Node.js prints all that an error carries: rows, parameters, a URL with its password.
  process.stderr.write(`${JSON.stringify({ level: 60, err: loggedError(error), msg: "a bug: the process ends" })}\n`);
  process.exit(EXIT.failed);
});
try {
  await createProgram().parseAsync();
} catch (error) {
  const exitCode = exitCodeOf(error);
  // Commander has said it already.
  if (!(error instanceof CommanderError)) {
    const isDatabase = exitCode === EXIT.unreachable && !(error instanceof CommandError);
    const hint = isDatabase ? " (is DATABASE_URL right, and the server running?)" : "";
    process.stderr.write(`${pc.red("✗")} ${errorMessage(error)}${hint}\n`);
  }
  process.exitCode = exitCode;
}
