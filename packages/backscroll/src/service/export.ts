import type { Actor } from "../domain/actor.ts";
import type { Conversation, ConversationRef } from "../domain/conversation.ts";
import { type MessageJson, parseMessageJson } from "../domain/message.ts";
import type { Identity } from "../domain/user.ts";
import { listConversationsToExport } from "../postgres/conversation-list.ts";
import { findConversation, type StoredConversation } from "../postgres/conversations.ts";
import { findLastSeq, listMessagesToExport } from "../postgres/messages.ts";
import { listGoneUsers } from "../postgres/user-erasure.ts";
import { findIdentity, listUsers } from "../postgres/users.ts";
import { recordAudit, subjectOf } from "./audit.ts";
import type { Deps } from "./deps.ts";
import { exportBesideConversations } from "./export-beside.ts";
import { type ConversationName, conversationNotFound, toRef } from "./messages.ts";
import { userErased } from "./users.ts";

export const EXPORT_FORMATS = ["json", "markdown"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Content in memory at once, whatever the length of the conversation. */
const BATCH_BYTES = 1_048_576;

/**
 * A whole conversation as text, piece by piece. It holds the messages that were there when it began, each as it
 * is when it is reached.
 *
 * @throws {BackscrollError} conversation_not_found, before the first piece
 */
export async function exportConversation(
  deps: Deps,
  at: ConversationName,
  { actor, format = "json" }: { actor: Actor | null; format?: ExportFormat | undefined },
): Promise<AsyncIterable<string>> {
  const stored = await findConversation(deps.db, toRef(at));
  if (!stored) throw conversationNotFound();
  await recordAudit(deps.db, { action: "conversation_exported", actor, ...subjectOf(at) });
  return format === "json" ? exportDocument(deps, single({ stored })) : exportMarkdown(deps, stored);
}

interface ExportOptions {
  /** null: the operator at the command line */
  readonly actor: Actor | null;
  /** told of each conversation as it begins */
  readonly onConversation?: ((conversation: Conversation) => void) | undefined;
}

/** Everybody's conversations, in the format `importConversations` reads; the trash is left out. */
export async function exportEverything(
  deps: Deps,
  { actor, onConversation }: ExportOptions,
): Promise<AsyncIterable<string>> {
  await recordAudit(deps.db, { action: "everything_exported", actor, subjectId: null });
  return exportDocument(deps, everybodysConversations(deps), { onConversation });
}

/**
 * All that there is of one person, in the same format: the trash too, and behind the conversations who they are,
 * sessions, usage, the metadata of keys and logins, and what the audit log says of them.
 *
 * @throws {BackscrollError} user_erased, before the first piece, and from the pieces when they are erased meanwhile
 */
export async function exportPerson(
  deps: Deps,
  userId: number,
  { actor, onConversation }: ExportOptions,
): Promise<AsyncIterable<string>> {
  await recordAudit(deps.db, { action: "person_exported", actor, subjectId: userId });
  const user = await findIdentity(deps.db, userId);
  if (!user) throw userErased();
  const conversations = conversationsOf(deps, { userId, user, withTrash: true });
  return exportDocument(deps, conversations, { onConversation, alsoOf: userId });
}

interface Exported {
  readonly user?: Identity;
  readonly stored: StoredConversation;
}

async function* single(one: Exported): AsyncIterable<Exported> {
  yield await Promise.resolve(one);
}

async function* everybodysConversations(deps: Deps): AsyncIterable<Exported> {
  for (const { id: userId, ...user } of await listUsers(deps.db)) {
    yield* conversationsOf(deps, { userId, user, withTrash: false });
  }
}

/** The trash among the rest: one that moves between the two meanwhile is not missed. */
async function* conversationsOf(
  deps: Deps,
  { userId, user, withTrash }: { userId: number; user: Identity; withTrash: boolean },
): AsyncIterable<Exported> {
  for (let afterId: string | null = null; ;) {
    const page = await listConversationsToExport(deps.db, userId, { afterId, limit: 100, withTrash });
    for (const stored of page) yield { user, stored };
    const last = page.at(-1);
    if (!last) return;
    afterId = last.ref.id;
  }
}

/**
 * One line a message, so that a large export is still readable and diffs well.
 *
 * @param alsoOf whose everything else comes behind the conversations
 */
async function* exportDocument(
  deps: Deps,
  conversations: AsyncIterable<Exported>,
  { onConversation, alsoOf }: Pick<ExportOptions, "onConversation"> & { alsoOf?: number } = {},
): AsyncIterable<string> {
  yield `{"backscroll_export":1,"exported_at":${JSON.stringify(new Date().toISOString())},"conversations":[`;
  let separator = "\n";
  for await (const { user, stored } of conversations) {
    const upToSeq = await findLastSeq(deps.db, stored.ref);
    if (upToSeq === null) {
      // Deleted since it was listed: not a conversation without messages.
      if (!user) throw conversationNotFound();
      continue;
    }
    onConversation?.(stored.conversation);
    const owner = user ? `"user":${JSON.stringify(user)},` : "";
    yield `${separator}{${owner}"conversation":${JSON.stringify(header(stored.conversation))},"messages":[`;
    let messageSeparator = "\n";
    for await (const batch of messagesOf(deps, stored.ref, { upToSeq, inTrash: alsoOf !== undefined })) {
      yield messageSeparator + batch.join(",\n");
      messageSeparator = ",\n";
    }
    yield "\n]}";
    separator = ",\n";
  }
  yield "\n]";
  if (alsoOf !== undefined) yield* exportBesideConversations(deps, alsoOf);
  // An erasure says that it has begun before anything leaves: who is here now was here all the while.
  if (alsoOf !== undefined && (await listGoneUsers(deps.db, [alsoOf])).length > 0) throw userErased();
  yield "}\n";
}

function header({ id, title, metadata, pinned, archived, ...at }: Conversation): object {
  return {
    conversation_id: id,
    title,
    metadata,
    pinned,
    archived,
    created_at: at.createdAt.toISOString(),
    updated_at: at.updatedAt.toISOString(),
    ...(at.deletedAt && { deleted_at: at.deletedAt.toISOString() }),
  };
}

async function* exportMarkdown(deps: Deps, { ref, conversation }: StoredConversation): AsyncIterable<string> {
  const upToSeq = await findLastSeq(deps.db, ref);
  if (upToSeq === null) throw conversationNotFound();
  yield `# ${conversation.title}\n\n${conversation.messageCount} messages, ${conversation.createdAt.toISOString()} to ${conversation.updatedAt.toISOString()}\n`;
  for await (const batch of messagesOf(deps, ref, { upToSeq, inTrash: false })) {
    for (const json of batch) {
      const message = parseMessageJson(json);
      const model = message.model === null ? "" : ` · ${message.model}`;
      const ended = message.status === "complete" ? "" : ` · ${message.status}`;
      yield `\n## ${message.role} · ${message.created_at}${model}${ended}\n\n${message.content}\n`;
      for (const part of message.parts ?? []) {
        if (part.type !== "text") yield `\n\`\`\`json\n${JSON.stringify(part, null, 2)}\n\`\`\`\n`;
      }
    }
  }
}

async function* messagesOf(
  deps: Deps,
  ref: ConversationRef,
  { upToSeq, inTrash }: { upToSeq: number; inTrash: boolean },
): AsyncIterable<readonly MessageJson[]> {
  for (let afterSeq = 0; ;) {
    const batch = await listMessagesToExport(deps.db, ref, { afterSeq, upToSeq, bytesMax: BATCH_BYTES });
    const last = batch.at(-1);
    if (!last) {
      // Deleted meanwhile: half of it must not pass for the whole.
      if (afterSeq < upToSeq && !(await findConversation(deps.db, ref, { inTrash }))) throw conversationNotFound();
      return;
    }
    yield batch.map(({ json }) => json);
    afterSeq = last.seq;
  }
}
