import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { defaultText, flagOf, SETTINGS, type SettingName } from "../settings.ts";
import { loggedError } from "../domain/logged-error.ts";
import { type BenchFlags, withBenchOptions } from "./bench/options.ts";
import { dropCacheCommand } from "./cache.ts";
import { exportCommand } from "./export.ts";
import { describeFailure } from "./failure.ts";
import { importCommand } from "./import.ts";
import type { ImportGuideFlags } from "./import-guide.ts";
import type { ImportSessionsFlags } from "./import-sessions.ts";
import { createKeyCommand, listKeysCommand, revokeKeyCommand } from "./key.ts";
import { migrateCommand } from "./migrate.ts";
import { serve } from "./serve.ts";
import type { ScanFlags } from "./sessions-scan.ts";
import { createTerminal, EXIT } from "./terminal.ts";
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
    .hook("preAction", (_, command) => speakAsAsked(command))
    .exitOverride();

  withSettings(program.command("serve", { isDefault: true }).description("run the service (the default)")).action(
    (flags) => serve(createTerminal(program.opts()), settings(flags), VERSION),
  );
  withSettings(
    program.command("doctor").description("look for what is wrong, and say what to do; changes nothing"),
  ).action(async (flags) => {
    const { doctorCommand } = await import("./doctor.ts");
    await doctorCommand(createTerminal(program.opts()), settings(flags));
  });
  withBenchOptions(
    program.command("bench").description("load a running deployment, say what it did, and remove what was made"),
  ).action(async (flags: BenchFlags) => {
    const { benchCommand } = await import("./bench.ts");
    await benchCommand(createTerminal(program.opts()), flags);
  });
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
  addImportCommands(program);
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
    .action(async (directory: string, flags: ScanFlags) => {
      const { scanCommand } = await import("./sessions-scan.ts");
      await scanCommand(createTerminal(program.opts()), { directory, ...flags });
    });
  return program;
}

/** A file that is called as one of the commands is written `./sessions`. */
function addImportCommands(program: Command): void {
  const importing = withSettings(
    program
      .command("import")
      .description("read an export; what is there already is skipped")
      .argument("<file>", "the export; - for standard input")
      .option("--user <email>", "give it all to this person, whoever it names")
      .helpCommand(false),
    [...DATABASE_SETTINGS, "messageBytesMax", "cache", ...REDIS_SETTINGS],
  ).action((file: string, flags) => importCommand(createTerminal(program.opts()), settings(flags), { file, ...flags }));
  const sessions = importing
    .command("sessions")
    .description("read a dump of a dictionary of sessions; what is there already is skipped")
    .argument("<dump>", "as json.dump or JSON.stringify writes it; - for standard input")
    .option("--user-field <path>", "in place of --user: where each session says whose it is, as context.email")
    .option("--time-zone <name>", "of times that name none, as Europe/Rome", "UTC")
    .option("--append", "add messages even where nothing tells whether they are here, or were, in other words")
    .option("--replace", "begin a session that has diverged anew, in another conversation; take the dump's contexts")
    .option("--errors <file>", "what could not be imported, a line each; default: <dump>.errors.jsonl");
  withSettings(sessions, ["sessionDays"]).action(async (file: string) => {
    const { importSessionsCommand } = await import("./import-sessions.ts");
    // Those of `import` are its own, too.
    const flags = sessions.optsWithGlobals<ImportSessionsFlags & Record<string, unknown>>();
    await importSessionsCommand(createTerminal(program.opts()), settings(flags), { file, ...flags });
  });
  const guide = importing
    .command("guide")
    .description("bring over the Conversation and Message tables of the guide's Prisma schema, and compare both")
    .option("--from <url>", "the database that they are in, as the app's Prisma has it (env: GUIDE_DATABASE_URL)")
    .option("--role <theirs=ours...>", "what a role means that is not known, as agent=assistant")
    .option("--verify-only", "compare, and store nothing")
    .option("--restore-deleted", "bring back messages that were deleted here since they were imported")
    .option("--errors <file>", "what could not be imported, a line each; default: guide.errors.jsonl")
    .action(async () => {
      const { importGuideCommand } = await import("./import-guide.ts");
      const flags = guide.optsWithGlobals<ImportGuideFlags & Record<string, unknown>>();
      await importGuideCommand(createTerminal(program.opts()), settings(flags), flags);
    });
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

/** The log says no more than the command does: `--quiet` leaves errors, `--json` is for a program. */
function speakAsAsked(command: Command): void {
  const { quiet, json, logLevel, logFormat } = command.optsWithGlobals<Record<string, unknown>>();
  const isSilent = process.env[SETTINGS.logLevel.env] === "silent";
  if (quiet === true && logLevel === undefined && !isSilent) command.setOptionValue("logLevel", "error");
  if (json === true && logFormat === undefined) command.setOptionValue("logFormat", "json");
}

const DATABASE_SETTINGS: readonly SettingName[] = [
  "databaseUrl",
  "databaseDirectUrl",
  "pgPrepare",
  "dataDir",
  "logLevel",
  "logFormat",
];
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

process.on("uncaughtException", (error) => {
  // By itself Node.js prints all that an error carries: rows, parameters, a URL with its password.
  process.stderr.write(`${JSON.stringify({ level: 60, err: loggedError(error), msg: "a bug: the process ends" })}\n`);
  process.exit(EXIT.failed);
});
try {
  await createProgram().parseAsync();
} catch (error) {
  const { exitCode, message } = describeFailure(error);
  // Commander has said it already.
  if (!(error instanceof CommanderError)) process.stderr.write(`${pc.red("✗")} ${message}\n`);
  process.exitCode = exitCode;
}
