import { JSONParser, type Tokenizer, TokenType } from "@streamparser/json";
import { isDeepStrictEqual } from "node:util";
import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError, type ErrorCode, errorMessage } from "../domain/errors.ts";
import { ID_PATTERN, toStoredId } from "../domain/ids.ts";
import { parseMessageJson } from "../domain/message.ts";
import type { Identity } from "../domain/user.ts";
import { findConversation } from "../postgres/conversations.ts";
import { type ImportedMessage, insertImportedConversation, insertImportedMessages } from "../postgres/import.ts";
import { findMessages, type SavedMessage } from "../postgres/messages.ts";
import { keepByteOrderMarks } from "./byte-order-marks.ts";
import { changeConversation } from "./changes.ts";
import { checkConversationFields, checkNewMessages } from "./check.ts";
import type { Deps } from "./deps.ts";
import { ConversationItem, MessageItem, parseItem, UserItem } from "./import-schema.ts";
import { resolveUser } from "./users.ts";

export interface ImportError {
  readonly conversationId: string | null;
  readonly messageId: string | null;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface ImportResult {
  /** made now, and there already */
  conversationsCreated: number;
  conversationsExisting: number;
  /** stored now */
  messagesSaved: number;
  /** there already, the same */
  messagesSkipped: number;
  /** conversations and messages that could not be stored */
  failed: number;
  /** the first 100 of them */
  readonly errors: ImportError[];
}

const ERRORS_LISTED = 100;
const MESSAGES_A_STATEMENT = 100;
const CHARS_A_STATEMENT = 1_048_576;
/** One message with everything on it: 1 MB of content, six bytes each when escaped, and its parts. */
const ITEM_BYTES_MAX = 16_777_216;
/** A message's parts may be 100 levels deep; they lie a few levels deep themselves. */
const DEPTH_MAX = 150;

/**
 * Reads an export, of one conversation or of everything, as a stream: memory is bounded by one message. What is
 * there already is skipped, so an import that broke off is simply run again. A bad item is told and passed over.
 *
 * @param owner who gets it; null: whoever the export says, which only an operator may ask for
 * @param onProgress told after every batch stored
 * @throws {BackscrollError} malformed_json: what came before it is stored
 */
export async function importConversations(
  deps: Deps,
  owner: number | null,
  source: AsyncIterable<Uint8Array>,
  onProgress?: (result: Readonly<ImportResult>) => void,
): Promise<ImportResult> {
  const importer = new Importer(deps, owner, onProgress);
  try {
    await readInto(importer, source);
  } finally {
    // Once, instead of thousands of changes.
    for (const userId of importer.users) deps.live.feed.tell(userId, { type: "resync" });
  }
  return importer.result;
}

async function readInto(importer: Importer, source: AsyncIterable<Uint8Array>): Promise<void> {
  const values: { path: "user" | "conversation" | "message"; value: unknown }[] = [];
  let recognised = false;
  let bytesSinceValue = 0;
  const parser = new JSONParser({
    paths: [
      "$.backscroll_export",
      "$.conversations.*.user",
      "$.conversations.*.conversation",
      "$.conversations.*.messages.*",
      ...BESIDE_CONVERSATIONS.map((part) => `$.${part}.*`),
    ],
    keepStack: false,
  });
  keepByteOrderMarks((parser as unknown as { tokenizer: Tokenizer }).tokenizer);
  parser.onValue = ({ key, value, stack }) => {
    bytesSinceValue = 0;
    if (isBesideConversations(stack)) return;
    if (key === "backscroll_export") recognised = value === 1;
    else if (key === "user" || key === "conversation") values.push({ path: key, value });
    else values.push({ path: "message", value });
  };
  let depth = 0;
  let offset = 0;
  parser.onToken = (at) => {
    offset = at.offset;
    if (at.token === TokenType.LEFT_BRACE || at.token === TokenType.LEFT_BRACKET) depth += 1;
    if (at.token === TokenType.RIGHT_BRACE || at.token === TokenType.RIGHT_BRACKET) depth -= 1;
    // The parser's time grows with the square of it.
    if (depth > DEPTH_MAX) throw malformed(`the export is nested more than ${DEPTH_MAX} levels deep`);
  };
  parser.onError = (error) => {
    if (error instanceof BackscrollError) throw error;
    const at = /absolute position "(\d+)"/.exec(errorMessage(error))?.[1] ?? offset;
    throw malformed(`the export is damaged: it is not JSON in UTF-8 near byte ${at}`);
  };
  const take = async (): Promise<void> => {
    if (values.length > 0 && !recognised) {
      throw malformed('this is not an export of Backscroll: it begins with {"backscroll_export":1');
    }
    for (const { path, value } of values.splice(0)) await importer.take(path, value);
  };
  try {
    for await (const chunk of source) {
      bytesSinceValue += chunk.length;
      parser.write(chunk);
      if (bytesSinceValue > ITEM_BYTES_MAX) throw malformed(`one item is over ${ITEM_BYTES_MAX} bytes`);
      await take();
    }
    if (!parser.isEnded) parser.end();
  } catch (error) {
    await take();
    await importer.flush();
    throw error;
  }
  await take();
  await importer.flush();
  if (!recognised) throw malformed('this is not an export of Backscroll: it has no "backscroll_export":1');
}

/** What a person's export holds behind the conversations: it is passed over, item by item. */
const BESIDE_CONVERSATIONS = ["sessions", "usage", "api_keys", "logins", "audit"] as const;

function isBesideConversations(stack: readonly { readonly key?: unknown }[]): boolean {
  const key = stack[1]?.key;
  return BESIDE_CONVERSATIONS.some((part) => part === key);
}

function malformed(message: string): BackscrollError {
  return new BackscrollError("malformed_json", message);
}

interface Target {
  readonly ref: ConversationRef;
  readonly conversationId: string;
}

/** Takes an export's items in their order; the messages of one conversation travel in batches. */
export class Importer {
  readonly result: ImportResult = {
    conversationsCreated: 0,
    conversationsExisting: 0,
    messagesSaved: 0,
    messagesSkipped: 0,
    failed: 0,
    errors: [],
  };
  /** who got anything, or had it already */
  readonly users = new Set<number>();
  readonly #deps: Deps;
  readonly #owner: number | null;
  readonly #onProgress: ((result: Readonly<ImportResult>) => void) | undefined;
  readonly #onError: (error: ImportError) => void;
  #user: Identity | null = null;
  /** whose each conversation is in the export, when all of them go to one person */
  readonly #givenBy = new Map<string, string>();
  #target: Target | "passed over" | null = null;
  #pending: ImportedMessage[] = [];
  #pendingChars = 0;

  constructor(
    deps: Deps,
    owner: number | null,
    onProgress?: (result: Readonly<ImportResult>) => void,
    onError: (error: ImportError) => void = () => undefined,
  ) {
    this.#onError = onError;
    this.#deps = deps;
    this.#owner = owner;
    this.#onProgress = onProgress;
  }

  async take(path: "user" | "conversation" | "message", value: unknown): Promise<void> {
    if (path === "user") {
      await this.flush();
      this.#user = UserItem.safeParse(value).data ?? null;
    } else if (path === "conversation") {
      await this.flush();
      this.#target = await this.#begin(value);
    } else if (this.#target === "passed over") {
      return;
    } else if (this.#target === null) {
      this.#fail(null, idOf(value, "id"), "conversation_not_found", "its conversation could not be imported");
    } else {
      this.#add(this.#target, value);
      if (this.#pending.length >= MESSAGES_A_STATEMENT || this.#pendingChars > CHARS_A_STATEMENT) await this.flush();
    }
  }

  async #begin(value: unknown): Promise<Target | "passed over" | null> {
    const conversationId = idOf(value, "conversation_id");
    try {
      const parsed = parseItem(ConversationItem, value);
      // It was in the trash: whoever wants it imports it as one that is not.
      if (parsed.deleted_at !== null) return "passed over";
      checkConversationFields({ title: parsed.title, metadata: parsed.metadata });
      const user = this.#user;
      if (this.#owner === null && user === null)
        throw new BackscrollError("invalid_request", "the export names no user: say whose it is with --user");
      const userId = this.#owner ?? (await resolveUser(this.#deps, user as Identity, { keepsEmail: true }));
      this.#refuseSecondOwner(parsed.conversation_id);
      const stored = toStoredId(userId, parsed.conversation_id);
      const ref = { userId, id: stored.id };
      const insertion = insertImportedConversation(this.#deps.db, ref, {
        clientId: stored.clientId,
        title: parsed.title,
        metadata: parsed.metadata,
        pinned: parsed.pinned,
        archived: parsed.archived,
        createdAt: new Date(parsed.created_at),
      });
      this.users.add(userId);
      const created = await changeConversation(this.#deps, ref, insertion);
      if (created) this.result.conversationsCreated += 1;
      else if (await findConversation(this.#deps.db, ref)) this.result.conversationsExisting += 1;
      else
        throw new BackscrollError(
          "conversation_id_conflict",
          "this conversation is in the trash: restore or erase it first",
        );
      return { ref, conversationId: parsed.conversation_id };
    } catch (error) {
      this.#failWith(conversationId, null, error);
      return null;
    }
  }

  /** Two people may use the same id: what was two conversations must not become one. */
  #refuseSecondOwner(conversationId: string): void {
    if (this.#owner === null || this.#user === null) return;
    const owner = JSON.stringify([this.#user.issuer, this.#user.subject]);
    const first = this.#givenBy.get(conversationId);
    if (first !== undefined && first !== owner) {
      throw new BackscrollError(
        "conversation_id_conflict",
        "two people of the export have a conversation of this id: give them to two users",
      );
    }
    this.#givenBy.set(conversationId, owner);
  }

  #add(target: Target, value: unknown): void {
    try {
      const { tokens_used, latency_ms, created_at, edited_at, parts, ...rest } = parseItem(MessageItem, value);
      const message: ImportedMessage = {
        ...rest,
        metadata: rest.metadata,
        parts: parts ?? null,
        tokensUsed: tokens_used,
        latencyMs: latency_ms,
        createdAt: new Date(created_at),
        editedAt: edited_at === null ? null : new Date(edited_at),
      };
      checkNewMessages([message], this.#deps.settings);
      if (this.#pending.some(({ id }) => id === message.id))
        throw new BackscrollError("message_id_conflict", "the export has this id twice");
      this.#pending.push(message);
      this.#pendingChars += message.content.length;
    } catch (error) {
      this.#failWith(target.conversationId, idOf(value, "id"), error);
    }
  }

  /** Stores what is pending. */
  async flush(): Promise<void> {
    const target = this.#target;
    const messages = this.#pending.splice(0);
    this.#pendingChars = 0;
    if (target === null || target === "passed over" || messages.length === 0) return;
    await changeConversation(this.#deps, target.ref, this.#store(target, messages));
    this.#onProgress?.(this.result);
  }

  async #store(target: Target, messages: readonly ImportedMessage[]): Promise<void> {
    const { ref, conversationId } = target;
    let stored = await insertImportedMessages(this.#deps.db, ref, messages);
    let missing: readonly ImportedMessage[] = messages;
    while (stored === "duplicate_id") {
      missing = await this.#withoutStored(target, messages);
      stored = missing.length === 0 ? "stored" : await insertImportedMessages(this.#deps.db, ref, missing);
    }
    if (stored === "conversation_not_found") {
      for (const { id } of missing) this.#fail(conversationId, id, stored, "the conversation was deleted meanwhile");
    } else {
      this.result.messagesSaved += missing.length;
      for (const { role } of missing) this.#deps.metrics.savedAs(role);
    }
  }

  async #withoutStored(
    { ref, conversationId }: Target,
    messages: readonly ImportedMessage[],
  ): Promise<readonly ImportedMessage[]> {
    const ids = messages.map(({ id }) => toStoredId(ref.userId, id).id);
    const found = await findMessages(this.#deps.db, ref, ids);
    const there = new Map(found?.messages.map((message) => [message.id, message]));
    return messages.filter((message, index) => {
      const stored = there.get(ids[index] ?? "");
      if (!stored) return true;
      if (isSame(message, stored)) this.result.messagesSkipped += 1;
      else this.#fail(conversationId, message.id, "message_id_conflict", "this message is there with another body");
      return false;
    });
  }

  #failWith(conversationId: string | null, messageId: string | null, error: unknown): void {
    if (!(error instanceof BackscrollError) || error.code === "database_unavailable") throw error;
    this.#fail(conversationId, messageId, error.code, error.message);
  }

  #fail(conversationId: string | null, messageId: string | null, code: ErrorCode, message: string): void {
    this.result.failed += 1;
    this.#onError({ conversationId, messageId, code, message });
    if (this.result.errors.length < ERRORS_LISTED)
      this.result.errors.push({ conversationId, messageId, code, message });
  }
}

function isSame(message: ImportedMessage, stored: SavedMessage): boolean {
  const wire = parseMessageJson(stored.json);
  return (
    message.content === wire.content &&
    message.role === wire.role &&
    isDeepStrictEqual(message.parts ?? null, wire.parts ?? null)
  );
}

function idOf(value: unknown, field: string): string | null {
  const id: unknown = typeof value === "object" && value !== null ? Reflect.get(value, field) : null;
  return typeof id === "string" && ID_PATTERN.test(id) ? id : null;
}
