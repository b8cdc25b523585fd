import { listAuditRowsOfPerson, type NamedAuditRow } from "../postgres/audit.ts";
import {
  findUserToExport,
  type ListExported,
  listApiKeysToExport,
  listLoginsToExport,
  listSessionsToExport,
  listUsageToExport,
} from "../postgres/person-export.ts";
import { foldUsage } from "../postgres/usage.ts";
import { conversationIdOf } from "./audit.ts";
import type { Deps } from "./deps.ts";

/** A session's context is the largest of them: 256 KB. */
const ROWS_A_PAGE = 20;

/** What a person has beside conversations, as further keys of their export. */
export async function* exportBesideConversations(deps: Deps, userId: number): AsyncIterable<string> {
  yield `,\n"user":${JSON.stringify(await findUserToExport(deps.db, userId))}`;
  await foldUsage(deps.db, userId);
  const parts: Record<string, ListExported> = {
    sessions: listSessionsToExport,
    usage: listUsageToExport,
    api_keys: listApiKeysToExport,
    logins: listLoginsToExport,
    audit: listAuditToExport,
  };
  for (const [name, list] of Object.entries(parts)) {
    yield `,\n${JSON.stringify(name)}:[`;
    let separator = "\n";
    for (let after: readonly unknown[] | null = null; ;) {
      const rows = await list(deps.db, userId, { after, limit: ROWS_A_PAGE });
      const last = rows.at(-1);
      if (!last) break;
      yield separator + rows.map(({ item }) => JSON.stringify(item)).join(",\n");
      separator = ",\n";
      after = last.key;
    }
    yield "\n]";
  }
}

/** Nobody else is named: whoever did it, or whose history it was, has a right to that too. */
const listAuditToExport: ListExported = async (db, userId, { after, limit }) => {
  const beforeId = after === null ? null : String(after[0]);
  const rows = await listAuditRowsOfPerson(db, userId, { action: null, beforeId, limit });
  const who = (person: NamedAuditRow["actor"], nobody: string): string =>
    person === null ? nobody : person.userId === userId ? "you" : "somebody_else";
  return rows.map((row) => ({
    key: [row.id],
    item: {
      at: row.at,
      action: row.action,
      actor: who(row.actor, "service"),
      actor_key_id: row.actorKeyId,
      subject: who(row.subject, "everybody"),
      conversation_id: row.subject?.userId === userId ? conversationIdOf(row) : null,
    },
  }));
};
