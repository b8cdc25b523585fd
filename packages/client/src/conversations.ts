import { mintId } from "./mint-id.ts";
import type { KeyedOptions, Operation, RequestOptions, Send } from "./operation.ts";
import { path, type QueryValue } from "./path.ts";
import { deletedBefore } from "./deleted-before.ts";
import type {
  Conversation,
  ConversationChanges,
  ConversationCreated,
  ConversationSummary,
  ConversationsPage,
  ConversationsSlice,
  DeletedConversationsPage,
  NewConversation,
} from "./types.ts";

/** Narrows a list of conversations. */
export interface ConversationsFilter {
  /** true: only archived ones. Default false: only the others */
  readonly archived?: boolean | undefined;
  /** part of the title, in any case; 200 characters at most */
  readonly q?: string | undefined;
}

export interface PageQuery {
  /** 1 or more; default 1. One beyond the end is empty */
  readonly page?: number | undefined;
  /** 1 to 200 */
  readonly page_size?: number | undefined;
}

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface ConversationMethods {
  /**
   * Creates a conversation, once per id, however often it is called with it.
   *
   * @throws {BackscrollApiError} conversation_id_conflict
   */
  createConversation(conversation?: NewConversation, options?: RequestOptions): Promise<ConversationCreated>;
  /** A page of the conversations: pinned ones first, each part by newest activity; 20 unless `page_size` says else. */
  listConversations(query?: ConversationsFilter & PageQuery, options?: RequestOptions): Promise<ConversationsPage>;
  /**
   * The same list from a cursor on: nothing is shown twice or left out when others move up meanwhile.
   *
   * @param query `cursor` is the `next_cursor` of an answer before; absent: the beginning. `limit` 1 to 200, default 20
   * @throws {BackscrollApiError} invalid_cursor
   */
  listConversationsFrom(
    query?: ConversationsFilter & { readonly cursor?: string | undefined; readonly limit?: number | undefined },
    options?: RequestOptions,
  ): Promise<ConversationsSlice>;
  /**
   * Every conversation of the list, read as the loop asks for it.
   *
   * @param query `page_size` is what one request reads: 1 to 200, default 100
   */
  iterateConversations(
    query?: ConversationsFilter & { readonly page_size?: number | undefined },
    options?: RequestOptions,
  ): AsyncGenerator<ConversationSummary, void, undefined>;
  /** @throws {BackscrollApiError} conversation_not_found */
  getConversation(conversationId: string, options?: RequestOptions): Promise<Conversation>;
  /**
   * Renames, pins, archives, or replaces the metadata; what is absent stays.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  updateConversation(
    conversationId: string,
    changes: ConversationChanges,
    options?: RequestOptions,
  ): Promise<Conversation>;
  /**
   * Into the trash, from where it can be restored for 30 days; `permanent`: for good, from the trash too.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  deleteConversation(
    conversationId: string,
    options?: RequestOptions & { readonly permanent?: boolean },
  ): Promise<void>;
  /** @throws {BackscrollApiError} conversation_not_found when it is not in the trash, or has been for over 30 days */
  restoreConversation(conversationId: string, options?: KeyedOptions): Promise<Conversation>;
  /** What can be restored, last deleted first. */
  listDeletedConversations(query?: PageQuery, options?: RequestOptions): Promise<DeletedConversationsPage>;
}

const LIMIT_DEFAULT = 20;
const ITERATED_PAGE_SIZE = 100;

export function conversationMethods(send: Send): ConversationMethods {
  const methods: ConversationMethods = {
    async createConversation(conversation = {}, options) {
      const body = { ...conversation, id: conversation.id ?? mintId() };
      return send<ConversationCreated>({ method: "POST", path: "/api/conversations", body }, options);
    },
    async listConversations(query = {}, options) {
      return send(read<ConversationsPage>("/api/conversations", { ...query }), options);
    },
    async listConversationsFrom({ limit = LIMIT_DEFAULT, ...query } = {}, options) {
      // The limit says that this is the list by cursors.
      return send(read<ConversationsSlice>("/api/conversations", { ...query, limit }), options);
    },
    async *iterateConversations({ page_size: limit = ITERATED_PAGE_SIZE, ...filter } = {}, options) {
      for (let cursor: string | undefined; ;) {
        const { conversations, pagination } = await methods.listConversationsFrom(
          { ...filter, cursor, limit },
          options,
        );
        yield* conversations;
        if (pagination.next_cursor === null) return;
        cursor = pagination.next_cursor;
      }
    },
    async getConversation(id, options) {
      return send(read<Conversation>(path`/api/conversations/${id}`), options);
    },
    async updateConversation(id, changes, options) {
      return send<Conversation>({ method: "PATCH", path: path`/api/conversations/${id}`, body: changes }, options);
    },
    async deleteConversation(id, { permanent, ...options } = {}) {
      const query = { permanent };
      await send(
        { method: "DELETE", path: path`/api/conversations/${id}`, query, afterLostAnswer: deletedBefore },
        options,
      );
    },
    async restoreConversation(id, { idempotencyKey = mintId(), ...options } = {}) {
      return send<Conversation>(
        { method: "POST", path: path`/api/conversations/${id}/restore`, idempotencyKey },
        options,
      );
    },
    async listDeletedConversations(query = {}, options) {
      return send(read<DeletedConversationsPage>("/api/trash", { ...query }), options);
    },
  };
  return methods;
}

function read<Answer>(from: string, query: Record<string, QueryValue> = {}): Operation<Answer> {
  return { method: "GET", path: from, query };
}
