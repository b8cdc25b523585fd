import type { Conversation, ConversationRef } from "../domain/conversation.ts";
import { type MessageJson, parseMessageJson } from "../domain/message.ts";
import type { Identity } from "../domain/user.ts";
import { listConversationsToExport } from "../postgres/conversation-list.ts";
import { findConversation, type StoredConversation } from "../postgres/conversations.ts";
import { listMessagesToExport, listOldestMessages } from "../postgres/messages.ts";
import { listUsers } from "../postgres/users.ts";
import type { Deps } from "./deps.ts";
import { type ConversationName, conversationNotFound, toRef } from "./messages.ts";

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
  format: ExportFormat,
): Promise<AsyncIterable<string>> {
  const stored = await findConversation(deps.db, toRef(at));
  if (!stored) throw conversationNotFound();
  return format === "json" ? exportDocument(deps, single({ stored })) : exportMarkdown(deps, stored);
}

/**
 * Everything, or all of one person, in the format `importConversations` reads; the trash is left out.
 *
 * @param onConversation told of each conversation as it begins
 */
export function exportAll(
  deps: Deps,
  { userId, onConversation }: { userId?: number; onConversation?: (conversation: Conversation) => void } = {},
): AsyncIterable<string> {
  return exportDocument(deps, everything(deps, userId), onConversation);
}

interface Exported {
  readonly user?: Identity;
  readonly stored: StoredConversation;
}

async function* single(one: Exported): AsyncIterable<Exported> {
  yield await Promise.resolve(one);
}

async function* everything(deps: Deps, onlyUserId: number | undefined): AsyncIterable<Exported> {
  for (const { id, ...user } of await listUsers(deps.db)) {
    if (onlyUserId !== undefined && id !== onlyUserId) continue;
    let page = await listConversationsToExport(deps.db, id, { afterId: null, limit: 100 });
    for (let last = page.at(-1); last; last = page.at(-1)) {
      for (const stored of page) yield { user, stored };
      page = await listConversationsToExport(deps.db, id, { afterId: last.ref.id, limit: 100 });
    }
  }
}

/** One line a message, so that a large export is still readable and diffs well. */
async function* exportDocument(
  deps: Deps,
  conversations: AsyncIterable<Exported>,
  onConversation?: (conversation: Conversation) => void,
): AsyncIterable<string> {
  yield `{"backscroll_export":1,"exported_at":${JSON.stringify(new Date().toISOString())},"conversations":[`;
  let separator = "\n";
  for await (const { user, stored } of conversations) {
    onConversation?.(stored.conversation);
    const owner = user ? `"user":${JSON.stringify(user)},` : "";
    yield `${separator}{${owner}"conversation":${JSON.stringify(header(stored.conversation))},"messages":[`;
    let messageSeparator = "\n";
    for await (const batch of messagesOf(deps, stored.ref)) {
      yield messageSeparator + batch.join(",\n");
      messageSeparator = ",\n";
    }
    yield "\n]}";
    separator = ",\n";
  }
  yield "\n]}\n";
}

function header({ id, title, metadata, pinned, archived, createdAt, updatedAt }: Conversation): object {
  return {
    conversation_id: id,
    title,
    metadata,
    pinned,
    archived,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  };
}

async function* exportMarkdown(deps: Deps, { ref, conversation }: StoredConversation): AsyncIterable<string> {
  yield `# ${conversation.title}\n\n${conversation.messageCount} messages, ${conversation.createdAt.toISOString()} to ${conversation.updatedAt.toISOString()}\n`;
  for await (const batch of messagesOf(deps, ref)) {
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

async function* messagesOf(deps: Deps, ref: ConversationRef): AsyncIterable<readonly MessageJson[]> {
  const state = await listOldestMessages(deps.db, ref, { afterSeq: 0, beforeSeq: 1, limit: 1 });
  const upToSeq = state?.lastSeq ?? 0;
  for (let afterSeq = 0; ;) {
    const batch = await listMessagesToExport(deps.db, ref, { afterSeq, upToSeq, bytesMax: BATCH_BYTES });
    const last = batch.at(-1);
    if (!last) {
      // Deleted meanwhile: half of it must not pass for the whole.
      if (afterSeq < upToSeq && !(await findConversation(deps.db, ref))) throw conversationNotFound();
      return;
    }
    yield batch.map(({ json }) => json);
    afterSeq = last.seq;
  }
}
