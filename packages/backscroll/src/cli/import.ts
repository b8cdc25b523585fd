import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { create } from "../create.ts";
import { errorMessage } from "../domain/errors.ts";
import { importConversations } from "../service/import.ts";
import { resolveUser } from "../service/users.ts";
import { toWireImportResult } from "../http/transfer.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

export async function importCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  { file, user }: { file: string; user?: string },
): Promise<void> {
  const totalBytes = file === "-" ? null : await fileBytes(file);
  const backscroll = await create(loadConfig(process.env, flags), { shareDatabase: true });
  const progress = createProgress(terminal, "Importing");
  try {
    const owner = user === undefined ? null : await resolveUser(backscroll.deps, user);
    const source = file === "-" ? process.stdin : createReadStream(file);
    let bytes = 0;
    async function* counted(): AsyncIterable<Uint8Array> {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        yield chunk;
      }
    }
    const result = await importConversations(backscroll.deps, owner, counted(), () =>
      progress.update(bytes, totalBytes, "bytes"),
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
    if (result.failed > 0) throw new CommandError(EXIT.failed, `${result.failed} items could not be imported`);
  } finally {
    progress.end();
    await backscroll.close();
  }
}

async function fileBytes(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new Error("it is not a file");
    return found.size;
  } catch (error) {
    throw new CommandError(EXIT.usage, `cannot read ${file}: ${errorMessage(error)}`, { cause: error });
  }
}
