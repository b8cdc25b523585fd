import { loadConfig } from "../config.ts";
import { type BackscrollInternals, create } from "../create.ts";
import { type ApiKey, KEY_SCOPES, type KeyScope } from "../domain/api-key.ts";
import { createApiKey, listApiKeys, revokeApiKey } from "../service/api-keys.ts";
import type { SettingName } from "../settings.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

type Flags = Partial<Record<SettingName, string>>;

const DAY_MS = 86_400_000;
const EXPIRES_DAYS_MAX = 36_500;
const ID_PATTERN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Makes a key and shows it, which nobody can do again: standard output is the key alone. */
export async function createKeyCommand(
  terminal: Terminal,
  flags: Flags,
  given: { user: string; name: string; scope: string; expiresDays?: string },
): Promise<void> {
  const { scope } = given;
  if (!isScope(scope)) throw new CommandError(EXIT.usage, `--scope must be ${KEY_SCOPES.join(" or ")}`);
  const expiresAt = given.expiresDays === undefined ? null : expiryIn(given.expiresDays);
  await withBackscroll(flags, async ({ deps }) => {
    const { secret, apiKey } = await createApiKey(deps, given.user, { name: given.name, scope, expiresAt });
    if (terminal.json) {
      terminal.data(`${JSON.stringify({ ...toWire(apiKey), key: secret })}\n`);
      return;
    }
    const may = scope === "admin" ? "acts for everybody" : `reads and writes what ${given.user} has`;
    terminal.say(`This key ${may}. It is shown this once; send it as x-api-key, or as a bearer token:`);
    terminal.data(`${secret}\n`);
    terminal.say(`To end it: backscroll key revoke ${apiKey.id}`);
  });
}

/** Lists every key, those that are over too. */
export async function listKeysCommand(terminal: Terminal, flags: Flags): Promise<void> {
  await withBackscroll(flags, async ({ deps }) => {
    const keys = await listApiKeys(deps);
    terminal.data(terminal.json ? `${JSON.stringify({ keys: keys.map(toWire) })}\n` : toTable(keys));
    if (keys.length === 0) terminal.say("No keys. To make one: backscroll key create --user you@example.com");
  });
}

export async function revokeKeyCommand(terminal: Terminal, flags: Flags, id: string): Promise<void> {
  await withBackscroll(flags, async ({ deps }) => {
    const revokedAt = ID_PATTERN.test(id) ? await revokeApiKey(deps, id) : null;
    if (revokedAt === null) {
      throw new CommandError(EXIT.failed, "there is no key of this id: `backscroll key list` shows them");
    }
    if (terminal.json) terminal.data(`${JSON.stringify({ id, revoked_at: revokedAt.toISOString() })}\n`);
    terminal.say("Revoked: every server refuses it within 5 seconds, and ends the logins made with it.");
  });
}

/** Keys are PostgreSQL's alone: there is nobody else to tell. */
async function withBackscroll(flags: Flags, work: (backscroll: BackscrollInternals) => Promise<void>): Promise<void> {
  const config = { ...loadConfig(process.env, flags), cache: "off", redisUrl: undefined } as const;
  const backscroll = await create(config, { shareDatabase: true });
  try {
    await work(backscroll);
  } finally {
    await backscroll.close();
  }
}

function isScope(text: string): text is KeyScope {
  return (KEY_SCOPES as readonly string[]).includes(text);
}

function expiryIn(days: string): Date {
  const number = /^\d{1,5}$/.test(days) ? Number(days) : 0;
  if (number < 1 || number > EXPIRES_DAYS_MAX) {
    throw new CommandError(EXIT.usage, `--expires-days must be a whole number from 1 to ${EXPIRES_DAYS_MAX}`);
  }
  return new Date(Date.now() + number * DAY_MS);
}

function toWire(key: ApiKey): Record<string, string | null> {
  return {
    id: key.id,
    user: key.user.subject,
    name: key.name,
    scope: key.scope,
    created_at: key.createdAt.toISOString(),
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    expires_at: key.expiresAt?.toISOString() ?? null,
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}

function toTable(keys: readonly ApiKey[]): string {
  const rows = [
    ["ID", "USER", "SCOPE", "NAME", "LAST USED", "STATE"],
    ...keys.map((key) => [key.id, key.user.subject, key.scope, key.name, minute(key.lastUsedAt), stateOf(key)]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return keys.length === 0 ? "" : lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function stateOf({ revokedAt, expiresAt }: ApiKey): string {
  if (revokedAt !== null) return `revoked ${minute(revokedAt)}`;
  if (expiresAt === null) return "valid";
  return expiresAt.getTime() <= Date.now() ? `expired ${minute(expiresAt)}` : `valid until ${minute(expiresAt)}`;
}

function minute(time: Date | null): string {
  return time === null ? "never" : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
