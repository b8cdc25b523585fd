import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { create } from "../create.ts";
import type { Conversation } from "../domain/conversation.ts";
import { errorMessage } from "../domain/errors.ts";
import { findUser } from "../service/users.ts";
import { exportEverything, exportPerson } from "../service/export.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

export async function exportCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  { user, output }: { user?: string; output?: string },
): Promise<void> {
  // An export reads PostgreSQL, and changes nothing that a cache or anybody else would have to be told of.
  const config = { ...loadConfig(process.env, flags), cache: "off", redisUrl: undefined } as const;
  const backscroll = await create(config, { shareDatabase: true });
  const progress = createProgress(terminal, "Exporting");
  try {
    const userId = user === undefined ? null : await findUser(backscroll.deps, user);
    if (user !== undefined && userId === null) throw new CommandError(EXIT.failed, `nobody here is ${user}`);
    let conversations = 0;
    let messages = 0;
    const onConversation = ({ messageCount }: Conversation): void => {
      conversations += 1;
      messages += messageCount;
      progress.update(messages, null, "messages");
    };
    const pieces =
      userId === null
        ? await exportEverything(backscroll.deps, { actor: null, onConversation })
        : await exportPerson(backscroll.deps, userId, { actor: null, onConversation });
    if (output === undefined || output === "-") await writeToStdout(pieces);
    else await writeWhole(output, pieces);
    progress.end();
    terminal.say(`Exported ${conversations} conversations, ${messages} messages.`);
  } finally {
    progress.end();
    await backscroll.close();
  }
}

async function writeToStdout(pieces: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces), process.stdout, { end: false });
  } catch (error) {
    // Whoever reads has read enough, as `head` does.
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}

/** Aside first: an export that broke off never looks like one. */
async function writeWhole(path: string, pieces: AsyncIterable<string>): Promise<void> {
  const unfinished = `${path}.unfinished`;
  try {
    await pipeline(Readable.from(pieces), createWriteStream(unfinished, { mode: 0o600 }));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw new CommandError(EXIT.failed, `cannot write ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
