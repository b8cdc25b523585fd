import { loadConfig } from "../config.ts";
import { create } from "../create.ts";
import { openGuideTables } from "../postgres/guide-tables.ts";
import { type GuideImport, importGuide } from "../service/import-guide.ts";
import type { SettingName } from "../settings.ts";
import { ImportErrors } from "./import-errors.ts";
import { stopSignal } from "./stop-signal.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

/** As commander reads them. */
export interface ImportGuideFlags {
  readonly from?: string;
  readonly errors: string;
}

/** Imports the guide's tables from a database. */
export async function importGuideCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  { from = process.env["GUIDE_DATABASE_URL"], errors: errorsFile }: ImportGuideFlags,
): Promise<void> {
  if (from === undefined) {
    throw new CommandError(
      EXIT.usage,
      "say where the guide's tables are: --from postgresql://user:password@host:5432/database, or GUIDE_DATABASE_URL",
    );
  }
  const errors = new ImportErrors(terminal, errorsFile);
  const config = loadConfig(process.env, flags);
  const tables = await openGuideTables(from);
  const stopped = new AbortController();
  const signal = stopSignal(terminal);
  const progress = createProgress(terminal, "Importing");
  const stopWhenAsked = async (): Promise<void> => {
    await signal.requested;
    terminal.say("Stopping: the conversation that has been begun is finished.");
    stopped.abort();
  };
  void stopWhenAsked();
  let result: GuideImport;
  try {
    const backscroll = await create(config, { shareDatabase: true });
    try {
      const total = await tables.countMessages();
      result = await importGuide(backscroll.deps, tables, {
        onError: ({ conversationId, messageId, code, message }) => {
          progress.end();
          const line = { conversation_id: conversationId, message_id: messageId, code, detail: message };
          errors.add(
            line,
            `${[conversationId, messageId].filter((id) => id !== null).join(" / ") || "item"}: ${message}`,
          );
        },
        onProgress: (messages) => progress.update(messages, total, "messages"),
        signal: stopped.signal,
      });
    } finally {
      await backscroll.close();
    }
  } finally {
    progress.end();
    signal.dispose();
    errors.close();
    await tables.close();
  }
  const wasStopped = stopped.signal.aborted;
  tell(terminal, result, { isWhole: !wasStopped, errorsFile: errors.count > 0 ? errors.path : null });
  if (wasStopped) throw new CommandError(EXIT.interrupted, "stopped; run it again, and it goes on where it was");
  if (result.failed > 0) throw new CommandError(EXIT.failed, `${result.failed} items could not be imported`);
}

function tell(
  terminal: Terminal,
  result: GuideImport,
  { isWhole, errorsFile }: { isWhole: boolean; errorsFile: string | null },
): void {
  const { conversationsCreated, conversationsExisting, messagesSaved, messagesSkipped, failed, ties, verified } =
    result;
  if (terminal.json) {
    const json = {
      complete: isWhole,
      conversations: { created: conversationsCreated, existing: conversationsExisting },
      messages: { saved: messagesSaved, skipped: messagesSkipped },
      failed,
      errors_file: errorsFile,
      ties,
      verified,
    };
    terminal.data(`${JSON.stringify(json)}\n`);
  }
  terminal.say(
    `Imported ${n(messagesSaved)} messages (${n(messagesSkipped)} were there already) in ${n(conversationsCreated)} new ` +
      `and ${n(conversationsExisting)} existing conversations.`,
  );
  const tied = ties.cuid + ties.uuid + ties.roles;
  if (tied > 0) {
    terminal.say(
      `${n(tied)} messages of equal times put in order: ${n(ties.cuid)} by their cuids, ${n(ties.uuid)} by their UUIDs, ` +
        `${n(ties.roles)} by their roles.`,
    );
  }
  terminal.say(
    `Verified: ${n(verified.messages)} messages in ${n(verified.conversations)} conversations are the same.`,
  );
}

function n(number: number): string {
  return number.toLocaleString("en");
}
