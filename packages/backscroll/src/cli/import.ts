import { loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { create } from "../create.ts";
import { importConversations } from "../service/import.ts";
import { resolveUser } from "../service/users.ts";
import { toWireImportResult } from "../http/transfer.ts";
import { count } from "./counted.ts";
import { importSource } from "./import-source.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

export async function importCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  { file, user }: { file: string; user?: string },
): Promise<void> {
  const source = await importSource(file);
  const backscroll = await create(loadConfig(process.env, flags), { shareDatabase: true });
  const progress = createProgress(terminal, "Importing");
  try {
    const owner = user === undefined ? null : await resolveUser(backscroll.deps, user);
    const result = await importConversations(backscroll.deps, owner, source.chunks, () =>
      progress.update(source.bytesRead(), source.bytes, "bytes"),
    );
    progress.end();
    if (terminal.json) terminal.data(`${JSON.stringify(toWireImportResult(result))}\n`);
    terminal.say(
      `Imported ${result.messagesSaved} messages (${result.messagesSkipped} were there already) in ` +
        `${result.conversationsCreated} new and ${result.conversationsExisting} existing conversations.`,
    );
    for (const { conversationId, messageId, message } of result.errors) {
      terminal.warn(`${[conversationId, messageId].filter((id) => id !== null).join(" / ") || "item"}: ${message}`);
    }
    if (result.failed > 0) throw new CommandError(EXIT.failed, `${count(result.failed, "item")} could not be imported`);
  } finally {
    progress.end();
    await backscroll.close();
  }
}
