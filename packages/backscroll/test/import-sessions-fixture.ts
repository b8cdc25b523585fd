import { timeZone } from "../src/domain/session-time.ts";
import {
  type DumpError,
  importSessions,
  type SessionsImport,
  type SessionsImportOptions,
} from "../src/service/import-sessions.ts";
import type { Services } from "./services.ts";

export const ADA = "ada@example.com";
export const BOB = "bob@example.com";
/** When the dumps of the tests were written. */
export const WRITTEN_AT = new Date("2026-01-10T00:00:00.000Z");

export type SessionsMessage = { role: string } & Record<string, unknown>;

/** @returns a dump in pieces of so many bytes */
export async function* inPieces(dump: string | Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  const bytes = typeof dump === "string" ? Buffer.from(dump) : dump;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Imports a dump for Ada, unless the options say otherwise. */
export async function importDump(
  services: Services,
  dump: string | Uint8Array | AsyncIterable<Uint8Array>,
  options: Partial<SessionsImportOptions> = {},
): Promise<SessionsImport & { readonly errors: readonly DumpError[] }> {
  const errors: DumpError[] = [];
  const source = typeof dump === "string" || dump instanceof Uint8Array ? inPieces(dump) : dump;
  const result = await importSessions(services.deps, source, {
    owner: { user: ADA },
    zone: timeZone("UTC"),
    writtenAt: WRITTEN_AT,
    append: false,
    replace: false,
    atOnce: 4,
    onError: (error) => errors.push(error),
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...options,
  });
  return { ...result, errors };
}

/** @returns the messages of a session as its app had them */
export async function messagesOf(services: Services, id: string, user = ADA): Promise<object[] | undefined> {
  return (await services.sessionStore<SessionsMessage>({ user }).get(id))?.messages;
}

/** @returns when each message of a session was written */
export async function timesOf(services: Services, id: string, user = ADA): Promise<string[]> {
  const session = await services.conversations.getSession(user, id);
  const { messages } = await services.conversations.getRecentMessages(user, session.conversationId, { limit: 200 });
  return messages.map(({ createdAt }) => createdAt.toISOString()).toReversed();
}

/** @returns all that an import writes, row by row, but for what differs from run to run: versions, and times of writing */
export async function storedRows({ deps }: Services): Promise<object> {
  const rows = async (sql: string): Promise<unknown[]> => (await deps.db.pool.query(sql)).rows;
  return {
    users: await rows("select id, subject from users order by id"),
    sessions: await rows(
      "select user_id, session_id, id, conversation_id, context, created_at from sessions order by user_id, session_id",
    ),
    conversations: await rows(
      `select user_id, id, client_id, title, title_source, metadata, last_seq, message_count, created_at, updated_at
         from conversations order by user_id, id`,
    ),
    messages: await rows("select * from messages order by user_id, conversation_id, seq"),
  };
}
