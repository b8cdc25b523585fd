import { createInterface } from "node:readline/promises";
import { loadConfig } from "../config.ts";
import { create } from "../create.ts";
import { countHistory } from "../postgres/user-erasure.ts";
import { eraseUser } from "../service/erase-user.ts";
import { findUser } from "../service/users.ts";
import type { SettingName } from "../settings.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

/** Removes a person and all that they have. On a terminal it asks first. */
export async function eraseUserCommand(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  { user, yes = false }: { user: string; yes?: boolean },
): Promise<void> {
  const backscroll = await create(loadConfig(process.env, flags), { shareDatabase: true });
  try {
    const { deps } = backscroll;
    const userId = await findUser(deps, user);
    if (userId === null) throw new CommandError(EXIT.failed, `nobody here is ${user}`);
    if (!yes) await confirm(user, await countHistory(deps.db, userId));
    const erased = await eraseUser(deps, { userId, actor: null });
    if (terminal.json) terminal.data(`${JSON.stringify({ erased: true, ...erased })}\n`);
    terminal.say(`Erased ${user}: ${inWords(erased)}. Every server refuses them within a minute.`);
  } finally {
    await backscroll.close();
  }
}

interface Counts {
  readonly conversations: number;
  readonly messages: number;
}

async function confirm(user: string, had: Counts): Promise<void> {
  const command = `backscroll user erase ${user} --yes`;
  if (!process.stdin.isTTY) {
    throw new CommandError(EXIT.usage, `this is for good, and nobody is here to be asked: ${command}`);
  }
  process.stderr.write(
    `${user} has ${inWords(had)}. They leave for good, here and on every server.\n` +
      `To keep a copy, export them first: backscroll export --user ${user} --output ${user}.json\n`,
  );
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await questions.question("Type the address to erase it: ");
  questions.close();
  if (answer.trim() !== user) throw new CommandError(EXIT.failed, "that is another address: nothing was erased");
}

function inWords({ conversations, messages }: Counts): string {
  return `${conversations.toLocaleString("en")} conversations, ${messages.toLocaleString("en")} messages`;
}
