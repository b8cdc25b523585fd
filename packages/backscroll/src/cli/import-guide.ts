import { loadConfig } from "../config.ts";
import { create } from "../create.ts";
import { errorMessage } from "../domain/errors.ts";
import { type Role, ROLES } from "../domain/message.ts";
import { type GuideSource, GuideSourceError, openGuide } from "../postgres/guide-source.ts";
import { listAddressesInTwoCases } from "../postgres/guide-tables.ts";
import { type GuideUrl, parseGuideUrl } from "../postgres/guide-url.ts";
import type { GuideError, GuideImport } from "../service/guide-run.ts";
import { importGuide } from "../service/import-guide.ts";
import type { SettingName } from "../settings.ts";
import { importsAtOnce } from "./connections.ts";
import { count, shown } from "./counted.ts";
import { ImportErrors } from "./import-errors.ts";
import { abortWhenAsked } from "./stop-signal.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

/** As commander reads them. */
export interface ImportGuideFlags {
  readonly from?: string;
  /** of `import`: it has no meaning here */
  readonly user?: string;
  readonly role?: readonly string[];
  readonly errors?: string;
  readonly verifyOnly?: boolean;
  readonly restoreDeleted?: boolean;
}

const GUIDE_URL_VARIABLE = "GUIDE_DATABASE_URL";
const ERRORS_FILE = "guide.errors.jsonl";

/** Brings over what the guide's own service wrote with Prisma, and compares both. */
export async function importGuideCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  options: ImportGuideFlags,
): Promise<void> {
  if (options.user !== undefined)
    throw new CommandError(EXIT.usage, "the tables say whose each conversation is: without --user");
  const url = urlOf(options.from);
  const roles = rolesOf(options.role ?? []);
  const config = loadConfig(process.env, flags);
  const errors = new ImportErrors(terminal, options.errors ?? ERRORS_FILE);
  const source = await openGuide(url).catch(rethrowSourceError);
  try {
    await warnOf(terminal, source);
    const backscroll = await create(config, { shareDatabase: true });
    const progress = createProgress(terminal, options.verifyOnly === true ? "Comparing" : "Importing");
    const stop = abortWhenAsked(terminal);
    let result: GuideImport | null = null;
    let isWhole = false;
    try {
      result = await importGuide(backscroll.deps, source, {
        verifyOnly: options.verifyOnly ?? false,
        restoreDeleted: options.restoreDeleted ?? false,
        roles,
        atOnce: importsAtOnce(config),
        onError: (error) => {
          progress.end();
          errors.add(toLine(error), toText(error));
        },
        onProgress: (soFar, messages, total) => {
          result = soFar;
          progress.update(messages, total, "messages");
        },
        signal: stop.signal,
      }).catch(rethrowSourceError);
      isWhole = !result.stopped;
    } finally {
      progress.end();
      stop.dispose();
      errors.close();
      await backscroll.close();
      if (result !== null)
        tell(terminal, result, { source, isWhole, errorsFile: errors.count > 0 ? errors.path : null });
    }
    if (!isWhole) throw new CommandError(EXIT.interrupted, "stopped; run it again, and it goes on where it was");
    if (result.failed > 0)
      throw new CommandError(EXIT.failed, `${count(result.failed, "item")} could not be imported, or differ`);
  } finally {
    await source.close().catch(() => undefined);
  }
}

/** @throws {CommandError} */
function urlOf(from: string | undefined): GuideUrl {
  const text = from ?? process.env[GUIDE_URL_VARIABLE];
  if (text === undefined || text === "") {
    throw new CommandError(EXIT.usage, `--from <url>, or ${GUIDE_URL_VARIABLE}, says where the guide's tables are`);
  }
  try {
    return parseGuideUrl(text);
  } catch (error) {
    throw new CommandError(EXIT.usage, `--from: ${errorMessage(error)}`, { cause: error });
  }
}

/** @throws {CommandError} */
function rolesOf(pairs: readonly string[]): ReadonlyMap<string, Role> {
  return new Map(
    pairs.map((pair) => {
      const at = pair.lastIndexOf("=");
      const role = ROLES.find((each) => each === pair.slice(at + 1));
      if (at < 1 || role === undefined) {
        throw new CommandError(EXIT.usage, `--role must be like agent=assistant, with one of ${ROLES.join(", ")}`);
      }
      return [pair.slice(0, at), role] as const;
    }),
  );
}

function rethrowSourceError(error: unknown): never {
  if (!(error instanceof GuideSourceError)) throw error;
  const exitCode = error.kind === "unreachable" ? EXIT.unreachable : EXIT.failed;
  throw new CommandError(exitCode, error.message, { cause: error });
}

const ADDRESSES_NAMED = 5;

async function warnOf(terminal: Terminal, source: GuideSource): Promise<void> {
  const { otherColumns, isIndexed } = source.tables;
  if (otherColumns.length > 0)
    terminal.warn(`Columns that the guide does not have stay behind: ${otherColumns.join(", ")}.`);
  if (!isIndexed) {
    terminal.warn('"Message" has no index that begins with conversation_id: each conversation reads all of the table.');
  }
  for (const addresses of await listAddressesInTwoCases(source, ADDRESSES_NAMED).catch(rethrowSourceError)) {
    terminal.warn(`${addresses}: as different people, as their tokens would be.`);
  }
}

function toLine({ conversationId, messageId, code, detail }: GuideError): object {
  return { conversation_id: conversationId, message_id: messageId, code, detail };
}

function toText({ conversationId, messageId, detail }: GuideError): string {
  const name = [conversationId, messageId].filter((id) => id !== null).join(" / ");
  return name === "" ? detail : `${name}: ${detail}`;
}

function tell(
  terminal: Terminal,
  result: GuideImport,
  { source, isWhole, errorsFile }: { source: GuideSource; isWhole: boolean; errorsFile: string | null },
): void {
  if (terminal.json) terminal.data(`${JSON.stringify(toJson(result, { isWhole, errorsFile }))}\n`);
  const say = (number: number, what: string): void => {
    if (number > 0) terminal.say(`  ${what}`);
  };
  const { ties } = result;
  terminal.say(
    `From ${source.description}: ${count(result.messagesSaved, "message")} imported (${shown(result.messagesSkipped)} were ` +
      `there already) in ${shown(result.conversationsCreated)} new and ${count(result.conversationsExisting, "existing conversation")}.`,
  );
  say(
    ties.id_time + ties.roles + ties.id,
    `${count(ties.id_time + ties.roles + ties.id, "message")} had one time with another: put in order by what their ids ` +
      `tell (${shown(ties.id_time)}), by who speaks after whom (${shown(ties.roles)}), by id alone (${shown(ties.id)}).`,
  );
  say(result.messagesLate, `${count(result.messagesLate, "message")} older than what was there already: put after it.`);
  say(result.conversationsRetitled, `${count(result.conversationsRetitled, "title")} changed there meanwhile.`);
  say(
    result.messagesDeletedHere,
    `${count(result.messagesDeletedHere, "message")} deleted here meanwhile: not brought back; --restore-deleted does.`,
  );
  say(
    result.conversationsInTrash,
    `${count(result.conversationsInTrash, "conversation")} in the trash here: passed over.`,
  );
  say(result.messagesMoved, `${count(result.messagesMoved, "message")} with another time here than there.`);
  say(
    result.messagesOnlyHere,
    `${count(result.messagesOnlyHere, "message")} here and not there: written here, or deleted there.`,
  );
  say(
    result.conversationsGone,
    `${count(result.conversationsGone, "conversation")} imported once and not there any more: they stay here ` +
      `(${result.goneIds.slice(0, 5).join(", ")}${result.conversationsGone > 5 ? " …" : ""}).`,
  );
  const messages = count(result.messagesVerified, "message");
  const conversations = count(result.conversationsVerified, "conversation");
  terminal.say(
    result.failed === 0
      ? `Compared ${messages} in ${conversations}: the same on both sides.`
      : `Compared: ${messages} the same on both sides, ${conversations} whole.`,
  );
}

function toJson(
  result: GuideImport,
  { isWhole, errorsFile }: { isWhole: boolean; errorsFile: string | null },
): Record<string, unknown> {
  return {
    complete: isWhole,
    conversations: {
      created: result.conversationsCreated,
      existing: result.conversationsExisting,
      retitled: result.conversationsRetitled,
      in_trash: result.conversationsInTrash,
      gone: result.conversationsGone,
      gone_ids: result.goneIds,
    },
    messages: {
      saved: result.messagesSaved,
      skipped: result.messagesSkipped,
      late: result.messagesLate,
      deleted_here: result.messagesDeletedHere,
      only_here: result.messagesOnlyHere,
      moved: result.messagesMoved,
    },
    ties: result.ties,
    verified: { conversations: result.conversationsVerified, messages: result.messagesVerified },
    failed: result.failed,
    errors_file: errorsFile,
  };
}
