import { BackscrollError, type ErrorCode } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Message as StoredMessage, NewMessage } from "../domain/message.ts";
import type { Session } from "../domain/session.ts";
import { fromMessage } from "../domain/session-message.ts";
import type { UserName } from "../domain/user.ts";
import type { ConversationService } from "../service/conversation-service.ts";
import { asJsonValue, type ContextChanges, type LegacySession } from "./legacy-sessions.ts";

/** A session read from one of the two. */
export interface ReadSession<Message> extends LegacySession<Message> {
  /** a list of the caller's own, oldest first */
  readonly messages: Message[];
  /** whether there are messages before these: never without a `limit` */
  readonly hasMore: boolean;
}

/** Each comes with its context, of 256 KB at most. */
const SESSIONS_A_PAGE = 50;

/** One user's sessions as a dictionary would have them, in Backscroll. */
export class BackscrollSessions<Message extends object> {
  readonly #conversations: ConversationService;
  readonly #user: UserName;

  constructor(conversations: ConversationService, user: UserName) {
    this.#conversations = conversations;
    this.#user = user;
  }

  async read(sessionId: string, limit: number): Promise<ReadSession<Message> | undefined> {
    const session = await this.find(sessionId);
    if (!session) return undefined;
    const read = await orUndefined("conversation_not_found", this.#newest(session.conversationId, limit));
    return read && { ...read, context: session.context, createdAt: session.createdAt };
  }

  async find(sessionId: string): Promise<Session | undefined> {
    return orUndefined("session_not_found", this.#conversations.getSession(this.#user, sessionId));
  }

  async begin(sessionId: string): Promise<void> {
    await this.#conversations.beginSession(this.#user, sessionId);
  }

  /** In statements of 100: each of them whole or not at all. */
  async append(sessionId: string, messages: readonly NewMessage[]): Promise<void> {
    for (let from = 0; from < messages.length; from += LIMITS.messagesPerSaveMax) {
      const some = messages.slice(from, from + LIMITS.messagesPerSaveMax);
      await this.#conversations.appendToSession(this.#user, sessionId, some);
    }
  }

  async changeContext(sessionId: string, { set, remove, replace }: ContextChanges): Promise<void> {
    const changes = { context: asJsonValue(set) as JsonObject, remove, replace };
    for (;;) {
      const update = this.#conversations.updateSession(this.#user, sessionId, changes);
      if (await orUndefined("session_not_found", update)) return;
      await this.begin(sessionId);
    }
  }

  async delete(sessionId: string, conversation: "keep" | "trash"): Promise<void> {
    const session = await this.find(sessionId);
    if (!session) return;
    await orUndefined("session_not_found", this.#conversations.deleteSession(this.#user, sessionId));
    if (conversation === "keep") return;
    const deletion = this.#conversations.deleteConversation(this.#user, session.conversationId);
    await orUndefined("conversation_not_found", deletion);
  }

  async *ids(): AsyncGenerator<string> {
    for (let after: string | undefined; ;) {
      const options = { limit: SESSIONS_A_PAGE, ...(after !== undefined && { after }) };
      const some: readonly Session[] = await this.#conversations.listSessions(this.#user, options);
      for (const { id } of some) yield id;
      if (some.length < SESSIONS_A_PAGE) return;
      after = some.at(-1)?.id;
    }
  }

  /** The newest ones, oldest first; the first 200 from the cache if it has them. */
  async #newest(conversationId: string, limit: number): Promise<{ messages: Message[]; hasMore: boolean }> {
    const newestFirst: StoredMessage[] = [];
    let before: string | undefined;
    for (;;) {
      const slice = await this.#conversations.getRecentMessages(this.#user, conversationId, {
        limit: Math.min(limit - newestFirst.length, LIMITS.windowMax),
        ...(before !== undefined && { before }),
      });
      newestFirst.push(...slice.messages);
      if (slice.nextCursor === null || newestFirst.length >= limit) {
        const messages = newestFirst.toReversed().map((message) => fromMessage(message) as Message);
        return { messages, hasMore: slice.hasMore };
      }
      before = slice.nextCursor;
    }
  }
}

async function orUndefined<Result>(code: ErrorCode, result: Promise<Result>): Promise<Result | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof BackscrollError && error.code === code) return undefined;
    throw error;
  }
}
