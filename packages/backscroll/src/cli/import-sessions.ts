import { loadConfig } from "../config.ts";
import { create } from "../create.ts";
import { timeZone, type TimeZone } from "../domain/session-time.ts";
import {
  type DumpError,
  importSessions,
  type SessionsImport,
  type SessionsImportOptions,
} from "../service/import-sessions.ts";
import type { SettingName } from "../settings.ts";
import { importsAtOnce } from "./connections.ts";
import { count, shown } from "./counted.ts";
import { ImportErrors } from "./import-errors.ts";
import { importSource } from "./import-source.ts";
import { abortWhenAsked } from "./stop-signal.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

/** As commander reads them. */
export interface ImportSessionsFlags {
  readonly user?: string;
  readonly userField?: string;
  readonly timeZone?: string;
  readonly errors?: string;
  readonly append?: boolean;
  readonly replace?: boolean;
}

/** Imports a dump of a dictionary of sessions. */
export async function importSessionsCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  { file, ...options }: ImportSessionsFlags & { file: string },
): Promise<void> {
  const owner = ownerOf(options);
  const zone = zoneOf(options.timeZone ?? "UTC");
  const source = await importSource(file);
  const errorsFile = options.errors ?? `${file === "-" ? "sessions" : file}.errors.jsonl`;
  const errors = new ImportErrors(terminal, errorsFile, file === "-" ? null : file);
  const config = loadConfig(process.env, flags);
  const backscroll = await create(config, { shareDatabase: true });
  const progress = createProgress(terminal, "Importing");
  const stop = abortWhenAsked(terminal);
  let result: SessionsImport = NOTHING;
  let failure: { readonly error: unknown } | null = null;
  try {
    result = await importSessions(backscroll.deps, source.chunks, {
      owner,
      zone,
      writtenAt: source.writtenAt,
      append: options.append ?? false,
      replace: options.replace ?? false,
      atOnce: importsAtOnce(config),
      onError: (error) => {
        progress.end();
        errors.add(toLine(error), toText(error));
      },
      onProgress: (soFar) => {
        result = soFar;
        progress.update(source.bytesRead(), source.bytes, "bytes");
      },
      signal: stop.signal,
    });
  } catch (error) {
    failure = { error };
  } finally {
    progress.end();
    source.close();
    stop.dispose();
    errors.close();
    await backscroll.close();
  }
  const wasStopped = stop.signal.aborted;
  tell(terminal, result, { zone, errorsFile: errors.count > 0 ? errors.path : null, isWhole: !failure && !wasStopped });
  if (failure) throw failure.error;
  if (wasStopped) throw new CommandError(EXIT.interrupted, "stopped; run it again, and it goes on where it was");
  if (result.failed > 0) throw new CommandError(EXIT.failed, `${count(result.failed, "item")} could not be imported`);
}

const NOTHING: SessionsImport = {
  sessionsCreated: 0,
  sessionsExisting: 0,
  messagesSaved: 0,
  messagesSkipped: 0,
  failed: 0,
  naiveTimes: 0,
  unreadableTimes: 0,
  numbers: { nonFinite: 0, inexact: 0 },
};

/** @throws {CommandError} */
function ownerOf({ user, userField }: ImportSessionsFlags): SessionsImportOptions["owner"] {
  if ((user === undefined) === (userField === undefined)) {
    throw new CommandError(
      EXIT.usage,
      "a dump does not say whose it is: --user <email> gives all of it to one person, or --user-field <path>, as " +
        "context.email, says where each session has it",
    );
  }
  if (userField === undefined) return { user: user ?? "" };
  const path = userField.split(".");
  if (path.includes("") || path[0] === "messages") {
    throw new CommandError(
      EXIT.usage,
      "--user-field must be a path in the session beside its messages, as context.email",
    );
  }
  return { path };
}

/** @throws {CommandError} */
function zoneOf(name: string): TimeZone {
  try {
    return timeZone(name);
  } catch (error) {
    const problem = `there is no time zone ${name}: name one as Europe/Rome`;
    throw new CommandError(EXIT.usage, problem, { cause: error });
  }
}

function toLine({ sessionId, session, message, code, detail }: DumpError): object {
  return { session_id: sessionId, session, message, code, detail };
}

function toText({ sessionId, session, message, detail }: DumpError): string {
  const name = sessionId === null ? `session number ${session}` : `session ${JSON.stringify(sessionId)}`;
  return `${name}${message === null ? "" : `, message ${message}`}: ${detail}`;
}

function tell(
  terminal: Terminal,
  result: SessionsImport,
  { zone, errorsFile, isWhole }: { zone: TimeZone; errorsFile: string | null; isWhole: boolean },
): void {
  const { sessionsCreated, sessionsExisting, messagesSaved, messagesSkipped, failed } = result;
  const { naiveTimes, unreadableTimes, numbers } = result;
  if (terminal.json) {
    const json = {
      complete: isWhole,
      sessions: { created: sessionsCreated, existing: sessionsExisting },
      messages: { saved: messagesSaved, skipped: messagesSkipped },
      failed,
      errors_file: errorsFile,
      naive_times: naiveTimes,
      unreadable_times: unreadableTimes,
      non_finite_numbers: numbers.nonFinite,
      inexact_numbers: numbers.inexact,
    };
    terminal.data(`${JSON.stringify(json)}\n`);
  }
  terminal.say(
    `Imported ${count(messagesSaved, "message")} (${shown(messagesSkipped)} were there already) in ` +
      `${shown(sessionsCreated)} new and ${count(sessionsExisting, "existing session")}.`,
  );
  if (naiveTimes > 0) {
    terminal.say(`${count(naiveTimes, "time")} without a zone, taken as ${zone.name}: --time-zone says another one.`);
  }
  if (unreadableTimes > 0) terminal.say(`${count(unreadableTimes, "time")} that could not be read: as the one before.`);
  if (numbers.nonFinite > 0)
    terminal.say(`${count(numbers.nonFinite, "number")} that JSON does not know (NaN): now null.`);
  if (numbers.inexact > 0) terminal.say(`${count(numbers.inexact, "whole number")} over 2^53: digits may be lost.`);
}
