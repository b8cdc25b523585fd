import type { Actor } from "../domain/actor.ts";
import type { Conversation, ConversationChanges, NewConversation, UsageDay } from "../domain/conversation.ts";
import { type Message, type NewMessage, toMessage } from "../domain/message.ts";
import type { NewSession, Session } from "../domain/session.ts";
import type { UserName } from "../domain/user.ts";
import type { ConversationsPage, ListFilter } from "./conversations.ts";
import type { Deps } from "./deps.ts";
import type { Erasure } from "./erase-user.ts";
import type { ExportFormat } from "./export.ts";
import type { HistoryFilter, MessagesSlice as StoredSlice, Pagination } from "./history.ts";
import type { ImportResult } from "./import.ts";
import type { ConversationName } from "./messages.ts";
import { takeTurn, type TurnRequest } from "./turn.ts";
import type { Turn } from "./running-reply.ts";
import type { SessionChanges, SessionName } from "./sessions.ts";
import { toTurnStream, type TurnStream } from "./turn-stream.ts";
import type { UsageRange } from "./usage.ts";
import { conversations, history, messages, people, sessions, transfer, turns } from "./use-cases.ts";
import { findUser, resolveUser } from "./users.ts";

/** Every method throws `BackscrollError`; each names the codes of its own, all may throw `database_unavailable`. */
type Window = Omit<HistoryFilter, "fields"> & {
  /** 1 to 200; default 20 */
  readonly limit?: number;
};

/**
 * The conversation history of many users. The guide's service, with the owner in every call: whoever asks for
 * somebody else's conversation is told there is none.
 *
 * A user is an email address, or `{ issuer, subject, email }` when an identity provider names them.
 */
export class ConversationService {
  readonly #deps: Deps;

  /** Made by `createBackscroll`. */
  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Creates a conversation, once per id when one is given.
   *
   * @throws {BackscrollError} conversation_id_conflict, invalid_request
   */
  async createConversation(user: UserName, conversation: NewConversation = {}): Promise<Conversation> {
    const created = await conversations.createConversation(this.#deps, await this.#id(user), conversation);
    return created.conversation;
  }

  /** @throws {BackscrollError} conversation_not_found */
  async getConversation(user: UserName, conversationId: string): Promise<Conversation> {
    return conversations.getConversation(this.#deps, await this.#at(user, conversationId));
  }

  /**
   * Renames, pins, archives, or replaces the metadata; what is absent stays.
   *
   * @throws {BackscrollError} conversation_not_found, invalid_request
   */
  async updateConversation(
    user: UserName,
    conversationId: string,
    changes: ConversationChanges,
  ): Promise<Conversation> {
    return conversations.updateConversation(this.#deps, await this.#at(user, conversationId), changes);
  }

  /** A page of the user's conversations: pinned ones first, each part by newest activity. */
  async listUserConversations(
    user: UserName,
    options: ListFilter & { page?: number; pageSize?: number } = {},
  ): Promise<ConversationsPage> {
    return conversations.listUserConversations(this.#deps, await this.#id(user), options);
  }

  /**
   * Into the trash for 30 days, or, `permanent`, gone for good. Invisible at once either way.
   *
   * @throws {BackscrollError} conversation_not_found
   */
  async deleteConversation(
    user: UserName,
    conversationId: string,
    options: { permanent?: boolean } = {},
  ): Promise<void> {
    const at = await this.#at(user, conversationId);
    return conversations.deleteConversation(this.#deps, at, { ...options, actor: themselves(at) });
  }

  /** @throws {BackscrollError} conversation_not_found when it is not in the trash */
  async restoreConversation(user: UserName, conversationId: string): Promise<Conversation> {
    return conversations.restoreConversation(this.#deps, await this.#at(user, conversationId));
  }

  /** What can be restored, last deleted first. */
  async listDeletedConversations(
    user: UserName,
    options: { page?: number; pageSize?: number } = {},
  ): Promise<{ conversations: readonly Conversation[]; pagination: Pagination }> {
    return conversations.listDeletedConversations(this.#deps, await this.#id(user), options);
  }

  /**
   * Saves a message at the end of a conversation and resolves once PostgreSQL has committed it. With an `id` it is
   * saved once, however often it is sent.
   *
   * @throws {BackscrollError} conversation_not_found, message_id_conflict, message_too_large, invalid_request
   */
  async saveMessage(user: UserName, conversationId: string, message: NewMessage): Promise<Message> {
    const [saved] = await this.saveMessages(user, conversationId, [message]);
    if (!saved) throw new Error("saving one message gives one");
    return saved;
  }

  /** Saves 1 to 100 messages in order, all or none. Otherwise as `saveMessage`. */
  async saveMessages(
    user: UserName,
    conversationId: string,
    toSave: readonly NewMessage[],
  ): Promise<readonly Message[]> {
    const saved = await messages.saveMessages(this.#deps, await this.#at(user, conversationId), toSave);
    return saved.messages.map(toMessage);
  }

  /**
   * Replaces a message's text.
   *
   * @param expectedVersion edit only this version of it
   * @throws {BackscrollError} conversation_not_found, message_not_found, version_conflict, message_too_large
   */
  async editMessage(
    user: UserName,
    conversationId: string,
    messageId: string,
    { content, expectedVersion = null }: { content: string; expectedVersion?: number | null },
  ): Promise<Message> {
    const at = await this.#at(user, conversationId);
    return toMessage(await messages.editMessage(this.#deps, at, messageId, { content, expectedVersion }));
  }

  /** @throws {BackscrollError} conversation_not_found, message_not_found */
  async deleteMessage(user: UserName, conversationId: string, messageId: string): Promise<void> {
    const at = await this.#at(user, conversationId);
    return messages.deleteMessage(this.#deps, at, { messageId, actor: themselves(at) });
  }

  /**
   * The newest messages, newest first; `before` a cursor when given. `consistency: "strong"`: from PostgreSQL,
   * whatever is cached.
   *
   * @throws {BackscrollError} conversation_not_found, invalid_cursor
   */
  async getRecentMessages(
    user: UserName,
    conversationId: string,
    options: Window & { before?: string; consistency?: "strong" } = {},
  ): Promise<MessagesSlice> {
    return parsed(await history.getRecentMessages(this.#deps, await this.#at(user, conversationId), options));
  }

  /** The messages after a cursor, oldest first. @throws {BackscrollError} conversation_not_found, invalid_cursor */
  async getMessagesAfter(
    user: UserName,
    conversationId: string,
    options: Window & { after: string },
  ): Promise<MessagesSlice> {
    return parsed(await history.getMessagesAfter(this.#deps, await this.#at(user, conversationId), options));
  }

  /**
   * One page of the whole conversation, oldest first. The last page costs what the first does.
   *
   * @throws {BackscrollError} conversation_not_found
   */
  async getFullHistory(
    user: UserName,
    conversationId: string,
    options: Omit<HistoryFilter, "fields"> & { page?: number; pageSize?: number } = {},
  ): Promise<{ messages: readonly Message[]; pagination: Pagination }> {
    const page = await history.getFullHistory(this.#deps, await this.#at(user, conversationId), options);
    return { messages: page.messages.map(toMessage), pagination: page.pagination };
  }

  /**
   * One exchange: saves the user's message, asks the responder with the recent context, saves its reply.
   *
   * @throws {BackscrollError} conversation_not_found, conversation_busy, message_id_conflict, message_too_large; and
   * those of `TurnStream.finished`
   */
  async sendMessage(
    user: UserName,
    request: SessionTurnRequest,
  ): Promise<{ conversationId: string; userMessage: Message; assistantMessage: Message }> {
    const userId = await this.#id(user);
    const turn = await takeTurn(() => this.#startTurn(userId, request));
    return {
      conversationId: turn.conversationId,
      userMessage: toMessage(turn.userMessage),
      assistantMessage: toMessage(turn.assistantMessage),
    };
  }

  /**
   * The same, and the reply can be read while it is written. Resolves once the user's message is durable; the reply
   * goes on whoever reads it.
   *
   * @throws {BackscrollError} conversation_not_found, conversation_busy, message_id_conflict, message_too_large
   */
  async streamMessage(user: UserName, request: SessionTurnRequest): Promise<TurnStream> {
    return toTurnStream(await this.#startTurn(await this.#id(user), request));
  }

  /**
   * Answers the last user message again; the new reply takes the place of the one before.
   *
   * @throws {BackscrollError} conversation_not_found, conversation_busy, invalid_request
   */
  async regenerateReply(user: UserName, conversationId: string): Promise<TurnStream> {
    return toTurnStream(await turns.regenerateReply(this.#deps, await this.#at(user, conversationId)));
  }

  /** Replays the reply that is being written, on any server, and follows it. @returns null when none is */
  async followReply(user: UserName, conversationId: string): Promise<TurnStream | null> {
    const turn = await turns.followReply(this.#deps, await this.#at(user, conversationId));
    return turn && toTurnStream(turn);
  }

  /**
   * Stops the reply that is being written, on any server, and keeps what was written.
   *
   * @returns it, with the status `stopped`; null when none was being written, or it had said nothing
   */
  async stopReply(user: UserName, conversationId: string): Promise<Message | null> {
    const { message } = await turns.stopReply(this.#deps, await this.#at(user, conversationId));
    return message && toMessage(message);
  }

  /**
   * Gives a session of your app its conversation, with which it begins or goes on; the context is replaced.
   *
   * @throws {BackscrollError} conversation_not_found, invalid_request
   */
  async putSession(user: UserName, sessionId: string, session: NewSession): Promise<Session> {
    return (await sessions.putSession(this.#deps, await this.#in(user, sessionId), session)).session;
  }

  /** It lives on when it is read. @throws {BackscrollError} session_not_found, for one that has expired too */
  async getSession(user: UserName, sessionId: string): Promise<Session> {
    return (await sessions.getSession(this.#deps, await this.#in(user, sessionId))).session;
  }

  /** The session, which begins with a new conversation where there is none. @throws {BackscrollError} invalid_request */
  async beginSession(user: UserName, sessionId: string): Promise<Session> {
    return sessions.beginSession(this.#deps, await this.#in(user, sessionId));
  }

  /**
   * Sets and removes keys of a session's context, or replaces it. Of two changes at once neither loses the other's keys.
   *
   * @throws {BackscrollError} session_not_found, invalid_request when it would be over 256 KiB
   */
  async updateSession(user: UserName, sessionId: string, changes: SessionChanges): Promise<Session> {
    return sessions.updateSession(this.#deps, await this.#in(user, sessionId), changes);
  }

  /**
   * Saves 1 to 100 messages in a session's conversation, all or none. A session that is new, or whose conversation is
   * gone, is given a new one, which is the same for all that come at once.
   *
   * @throws {BackscrollError} message_id_conflict, message_too_large, invalid_request
   */
  async appendToSession(
    user: UserName,
    sessionId: string,
    toSave: readonly NewMessage[],
  ): Promise<{ conversationId: string; messages: readonly Message[] }> {
    const saved = await sessions.appendToSession(this.#deps, await this.#in(user, sessionId), toSave);
    return { conversationId: saved.conversationId, messages: saved.messages.map(toMessage) };
  }

  /**
   * A user's sessions in the order of their ids: those behind `after`, the id of one.
   *
   * @param limit 1 to 200; default 50
   */
  async listSessions(user: UserName, options: { after?: string; limit?: number } = {}): Promise<readonly Session[]> {
    return sessions.listSessions(this.#deps, await this.#id(user), options);
  }

  /** Its conversation stays. @throws {BackscrollError} session_not_found */
  async deleteSession(user: UserName, sessionId: string): Promise<void> {
    return sessions.deleteSession(this.#deps, await this.#in(user, sessionId));
  }

  /** A conversation as text, in pieces: memory stays constant. @throws {BackscrollError} conversation_not_found */
  async exportConversation(
    user: UserName,
    conversationId: string,
    format: ExportFormat = "json",
  ): Promise<AsyncIterable<string>> {
    const at = await this.#at(user, conversationId);
    return transfer.exportConversation(this.#deps, at, { actor: themselves(at), format });
  }

  /**
   * Everything there is of a person, in pieces: memory stays constant. See `docs/export-format.md`.
   *
   * @throws {BackscrollError} user_erased
   */
  async exportUser(user: UserName): Promise<AsyncIterable<string>> {
    const userId = await this.#id(user);
    return transfer.exportUser(this.#deps, userId, { actor: themselves({ userId }) });
  }

  /**
   * Removes a person and all that they have, for good, on every server: their next call makes a new person.
   * `exportUser` first.
   *
   * @returns what they had, the trash included
   */
  async eraseUser(user: UserName): Promise<Erasure> {
    const userId = await findUser(this.#deps, user);
    return userId === null
      ? { conversations: 0, messages: 0 }
      : people.eraseUser(this.#deps, { userId, actor: themselves({ userId }) });
  }

  /** Reads an export for this user; what is there already is skipped. @throws {BackscrollError} malformed_json */
  async importConversations(user: UserName, source: AsyncIterable<Uint8Array>): Promise<ImportResult> {
    return transfer.importConversations(this.#deps, await this.#id(user), source);
  }

  /** Messages and tokens per day, role and model. @throws {BackscrollError} invalid_request */
  async getUsage(
    user: UserName,
    range: UsageRange = {},
  ): Promise<{ from: string; to: string; days: readonly UsageDay[] }> {
    return people.getUsage(this.#deps, await this.#id(user), range);
  }

  #id(user: UserName): Promise<number> {
    return resolveUser(this.#deps, user);
  }

  async #in(user: UserName, sessionId: string): Promise<SessionName> {
    return { userId: await this.#id(user), sessionId };
  }

  #startTurn(userId: number, { sessionId, ...request }: SessionTurnRequest): Promise<Turn> {
    return sessionId === undefined || request.conversationId !== undefined
      ? turns.startTurn(this.#deps, userId, request)
      : turns.startTurnInSession(this.#deps, { userId, sessionId }, request);
  }

  async #at(user: UserName, conversationId: string): Promise<ConversationName> {
    return { userId: await this.#id(user), conversationId };
  }
}

/** Who a host lets in is answerable for what they do. */
function themselves({ userId }: { userId: number }): Actor {
  return { userId, keyId: null };
}

/** A turn that may name a session of your app: without a `conversationId` it is taken in the session's conversation. */
export interface SessionTurnRequest extends TurnRequest {
  /** a conversation is made for one that is new, or whose conversation is gone */
  readonly sessionId?: string | undefined;
}

/** Some messages in a row. */
export interface MessagesSlice {
  readonly messages: readonly Message[];
  /** whether there are more in the same direction, from `nextCursor` on */
  readonly hasMore: boolean;
  readonly nextCursor: string | null;
}

function parsed({ messages, hasMore, nextCursor }: StoredSlice): MessagesSlice {
  return { messages: messages.map(toMessage), hasMore, nextCursor };
}
