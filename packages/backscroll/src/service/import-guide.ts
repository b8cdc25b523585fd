import { DEFAULT_TITLE } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { orderTies, type TieRule } from "../domain/guide-order.ts";
import { toStoredId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import { knownRole, roleOf } from "../domain/session-message.ts";
import { toIdentity } from "../domain/user.ts";
import type { GuideConversation, GuideMessage, GuideTables } from "../postgres/guide-tables.ts";
import { digestConversations, hashMessages, ROLE_KEY } from "../postgres/imported-digests.ts";
import { type MessageDigest, NO_MESSAGES } from "../postgres/message-digest.ts";
import type { Deps } from "./deps.ts";
import { Importer, type ImportError, type ImportResult } from "./import.ts";
import { resolveUser } from "./users.ts";

export interface GuideImport extends Omit<ImportResult, "errors"> {
  /** messages of one time that were put in order, by what told it */
  readonly ties: Readonly<Record<TieRule, number>>;
  /** conversations and messages that are here as they are there */
  readonly verified: { readonly conversations: number; readonly messages: number };
}

export interface GuideImportOptions {
  /** told of every item that could not be imported, and of what differs afterwards */
  readonly onError: (error: ImportError) => void;
  /** @param messages how many have been looked at */
  readonly onProgress?: (messages: number, result: GuideImport) => void;
  /** stops after the conversation that is under way */
  readonly signal?: AbortSignal;
}

/** So many conversations are compared with one statement a database. */
const CONVERSATIONS_A_READ = 200;

/**
 * Brings over the tables that the guide's Prisma schema makes: ids that are UUIDs stay, others work on as the caller's. Who
 * a conversation is of is whoever has its `user_email`. What is there already, with the same contents, is skipped
 * without being read, so it is simply run again: after it broke off, and for what was written meanwhile. A message that
 * belongs before those that are here already comes behind them.
 *
 * Afterwards each conversation is compared: how many messages, and a hash of each. What Backscroll has beyond the tables
 * is left alone: it has been written here.
 *
 * @throws {BackscrollError} database_unavailable, of either database
 */
export async function importGuide(deps: Deps, tables: GuideTables, options: GuideImportOptions): Promise<GuideImport> {
  const run = new GuideRun(deps, tables, options);
  try {
    for (let after: string | null = null; options.signal?.aborted !== true;) {
      const some: readonly GuideConversation[] = await tables.conversationsAfter(after, CONVERSATIONS_A_READ);
      await run.take(some);
      if (some.length < CONVERSATIONS_A_READ) break;
      after = some.at(-1)?.id ?? null;
    }
  } finally {
    for (const userId of run.users) deps.live.feed.tell(userId, { type: "resync" });
  }
  return run.result;
}

/** A conversation, whose it is here, and what its messages are there. */
interface Pair {
  readonly conversation: GuideConversation;
  readonly userId: number;
  readonly storedId: string;
  readonly digest: MessageDigest;
}

class GuideRun {
  readonly #deps: Deps;
  readonly #tables: GuideTables;
  readonly #options: GuideImportOptions;
  readonly #importer: Importer;
  readonly #ties: Record<TieRule, number> = { cuid: 0, uuid: 0, roles: 0 };
  readonly #verified = { conversations: 0, messages: 0 };
  #unchanged = { conversations: 0, messages: 0 };
  #failed = 0;
  #seen = 0;

  constructor(deps: Deps, tables: GuideTables, options: GuideImportOptions) {
    this.#deps = deps;
    this.#tables = tables;
    this.#options = options;
    this.#importer = new Importer(deps, null, undefined, options.onError);
  }

  get users(): ReadonlySet<number> {
    return this.#importer.users;
  }

  get result(): GuideImport {
    const { errors: _, ...counts } = this.#importer.result;
    return {
      ...counts,
      conversationsExisting: counts.conversationsExisting + this.#unchanged.conversations,
      messagesSkipped: counts.messagesSkipped + this.#unchanged.messages,
      failed: counts.failed + this.#failed,
      ties: this.#ties,
      verified: this.#verified,
    };
  }

  async take(conversations: readonly GuideConversation[]): Promise<void> {
    const digests = await this.#tables.digests(conversations.map(({ id }) => id));
    const pairs: Pair[] = [];
    for (const conversation of conversations) {
      const pair = await this.#pair(conversation, digests.get(conversation.id) ?? NO_MESSAGES);
      if (pair) pairs.push(pair);
    }
    for (const [userId, own] of Map.groupBy(pairs, (pair) => pair.userId)) {
      const here = await digestConversations(
        this.#deps.db,
        userId,
        own.map(({ storedId }) => storedId),
      );
      for (const pair of own) {
        if (this.#options.signal?.aborted === true) return;
        // One without messages may not be there itself.
        const isThere = pair.digest.messages > 0 && isEqual(here.get(pair.storedId), pair.digest);
        if (isThere) this.#skip(pair);
        else await this.#bringOver(pair);
      }
    }
  }

  /** @returns null when nobody can have it: told */
  async #pair(conversation: GuideConversation, digest: MessageDigest): Promise<Pair | null> {
    try {
      const userId = await resolveUser(this.#deps, toIdentity(conversation.userEmail), { keepsEmail: true });
      return { conversation, userId, storedId: toStoredId(userId, conversation.id).id, digest };
    } catch (error) {
      if (!(error instanceof BackscrollError) || error.code === "database_unavailable") throw error;
      this.#fail({ conversationId: conversation.id, messageId: null, code: error.code, message: error.message });
      this.#progress(digest.messages);
      return null;
    }
  }

  #skip({ digest }: Pair): void {
    this.#unchanged.conversations += 1;
    this.#unchanged.messages += digest.messages;
    this.#confirm(digest.messages);
    this.#progress(digest.messages);
  }

  async #bringOver(pair: Pair): Promise<void> {
    const { conversation, digest } = pair;
    const failedBefore = this.#importer.result.failed;
    await this.#importer.take("user", toIdentity(conversation.userEmail));
    await this.#importer.take("conversation", toItem(conversation));
    if (this.#importer.result.failed > failedBefore) return this.#progress(digest.messages);
    for await (const message of this.#inOrder(conversation.id)) {
      await this.#takeMessage(conversation.id, message);
      this.#progress(1);
    }
    await this.#importer.flush();
    await this.#verify(pair, this.#importer.result.failed === failedBefore);
  }

  async #takeMessage(conversationId: string, message: GuideMessage): Promise<void> {
    const { id, content, tokensUsed, latencyMs, createdAt } = message;
    try {
      const role = roleOf(message.role);
      const metadata = role === message.role ? null : { [ROLE_KEY]: message.role };
      const times = { created_at: createdAt.toISOString() };
      const counts = { tokens_used: tokensUsed, latency_ms: latencyMs };
      await this.#importer.take("message", { id, role, content, metadata, ...counts, ...times });
    } catch (error) {
      if (!(error instanceof BackscrollError) || error.code === "database_unavailable") throw error;
      this.#fail({ conversationId, messageId: id, code: error.code, message: error.message });
    }
  }

  /** Messages of one time are held until all of them are there. */
  async *#inOrder(conversationId: string): AsyncGenerator<GuideMessage> {
    let ties: GuideMessage[] = [];
    let previousRole: string | null = null;
    const settle = (): readonly GuideMessage[] => {
      if (ties.length < 2) return ties;
      const tied = ties.map((message) => ({ ...message, role: knownRole(message.role) ?? message.role, message }));
      const { ordered, rule } = orderTies(tied, previousRole);
      this.#ties[rule] += ties.length;
      return ordered.map(({ message }) => message);
    };
    for await (const message of this.#tables.messagesOf(conversationId)) {
      if (ties[0] && ties[0].createdAt.getTime() !== message.createdAt.getTime()) {
        const settled = settle();
        yield* settled;
        previousRole = knownRole(settled.at(-1)?.role) ?? previousRole;
        ties = [];
      }
      ties.push(message);
    }
    yield* settle();
  }

  /** @param isWhole nothing of it failed: what did has been told already */
  async #verify({ conversation, userId, storedId, digest }: Pair, isWhole: boolean): Promise<void> {
    const here = await digestConversations(this.#deps.db, userId, [storedId]);
    if (isEqual(here.get(storedId) ?? NO_MESSAGES, digest)) return this.#confirm(digest.messages);
    // It may have more, which were written here.
    let differing = 0;
    let same = 0;
    for await (const hashes of this.#tables.hashesOf(conversation.id)) {
      const ids = [...hashes.keys()].map((id) => toStoredId(userId, id).id);
      const found = await hashMessages(this.#deps.db, { userId, id: storedId }, ids);
      for (const [id, hash] of hashes) {
        if (found.get(id) === hash) same += 1;
        else differing += 1;
      }
    }
    if (differing === 0) return this.#confirm(same);
    this.#verified.messages += same;
    if (!isWhole) return;
    const message = `${differing} of its ${digest.messages} messages are not here as they are there`;
    this.#fail({ conversationId: conversation.id, messageId: null, code: "message_id_conflict", message });
  }

  #confirm(messages: number): void {
    this.#verified.conversations += 1;
    this.#verified.messages += messages;
  }

  #fail(error: ImportError): void {
    this.#failed += 1;
    this.#options.onError(error);
  }

  #progress(messages: number): void {
    this.#seen += messages;
    this.#options.onProgress?.(this.#seen, this.result);
  }
}

/** A title that is too long here is cut, and kept whole beside. */
function toItem({ id, title, createdAt }: GuideConversation): object {
  const short = title.length > LIMITS.titleCharsMax ? title.slice(0, LIMITS.titleCharsMax - 1).toWellFormed() : title;
  const fits = Buffer.byteLength(title) < LIMITS.metadataBytesMax / 2;
  return {
    conversation_id: id,
    title: short.trim() === "" ? DEFAULT_TITLE : short,
    metadata: short !== title && fits ? { guide_title: title } : {},
    created_at: createdAt.toISOString(),
  };
}

function isEqual(a: MessageDigest | undefined, b: MessageDigest): boolean {
  return a?.messages === b.messages && a.sum === b.sum;
}
