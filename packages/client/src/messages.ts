import { deletedBefore } from "./deleted-before.ts";
import { type IterateMessagesQuery, iterateMessages } from "./iterate-messages.ts";
import { withId } from "./mint-id.ts";
import type { Operation, RequestOptions, Send } from "./operation.ts";
import { path, type QueryValue } from "./path.ts";
import type {
  Message,
  MessageEdit,
  MessageField,
  MessagesAround,
  MessagesPage,
  MessagesSlice,
  NewMessage,
} from "./types.ts";

/** Narrows every way of reading a conversation. */
export interface MessagesFilter<Field extends MessageField = MessageField> {
  /** only messages created at or after it; a string is RFC 3339 */
  readonly from?: Date | string | undefined;
  /** only messages created before it */
  readonly to?: Date | string | undefined;
  /** only these fields of each message */
  readonly fields?: readonly Field[] | undefined;
}

export interface MessagesWindow<Field extends MessageField = MessageField> extends MessagesFilter<Field> {
  /** 1 to 200; default 20 */
  readonly limit?: number | undefined;
}

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface MessageMethods {
  /**
   * Saves one message at the end of a conversation, without asking anybody. Resolves once it is durable.
   *
   * @throws {BackscrollApiError} conversation_not_found; message_id_conflict when the id is there with another body;
   * message_too_large
   */
  saveMessage(conversationId: string, message: NewMessage, options?: RequestOptions): Promise<Message>;
  /**
   * Saves 1 to 100 messages in order, all or none. Otherwise as `saveMessage`.
   *
   * @returns them as stored, in the order given
   */
  saveMessages(
    conversationId: string,
    messages: readonly NewMessage[],
    options?: RequestOptions,
  ): Promise<readonly Message[]>;
  /**
   * The newest messages, newest first; with `before`, a cursor, those older than it.
   *
   * @param query `consistency: "strong"`: from PostgreSQL, whatever is cached
   * @throws {BackscrollApiError} conversation_not_found, invalid_cursor
   */
  getRecentMessages<Field extends MessageField = MessageField>(
    conversationId: string,
    query?: MessagesWindow<Field> & {
      readonly before?: string | undefined;
      readonly consistency?: "strong" | undefined;
    },
    options?: RequestOptions,
  ): Promise<MessagesSlice<Pick<Message, Field>>>;
  /** The messages newer than a cursor, oldest first. Otherwise as `getRecentMessages`. */
  getMessagesAfter<Field extends MessageField = MessageField>(
    conversationId: string,
    cursor: string,
    query?: MessagesWindow<Field>,
    options?: RequestOptions,
  ): Promise<MessagesSlice<Pick<Message, Field>>>;
  /**
   * A message with what lies around it, oldest first: half of the limit before it, the rest from it on.
   * On with `getMessagesAfter(next_cursor)`, back with `getRecentMessages({ before: previous_cursor })`.
   *
   * @throws {BackscrollApiError} conversation_not_found, message_not_found
   */
  getMessagesAround<Field extends MessageField = MessageField>(
    conversationId: string,
    messageId: string,
    query?: MessagesWindow<Field>,
    options?: RequestOptions,
  ): Promise<MessagesAround<Pick<Message, Field>>>;
  /**
   * One page of the whole conversation, oldest first, 50 messages unless `page_size` (1 to 200) says else.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  getFullHistory<Field extends MessageField = MessageField>(
    conversationId: string,
    query?: MessagesFilter<Field> & { readonly page?: number | undefined; readonly page_size?: number | undefined },
    options?: RequestOptions,
  ): Promise<MessagesPage<Pick<Message, Field>>>;
  /**
   * Every message of a conversation, each once, read as the loop asks for it. From the oldest on, messages saved
   * meanwhile come too.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  iterateMessages(
    conversationId: string,
    query?: IterateMessagesQuery,
    options?: RequestOptions,
  ): AsyncGenerator<Message, void, undefined>;
  /**
   * Edits a message's text. Only with `expected_version` is it sent again when its answer is lost: without, a second
   * try could undo somebody else's edit.
   *
   * @throws {BackscrollApiError} conversation_not_found, message_not_found, version_conflict, message_too_large
   */
  editMessage(conversationId: string, messageId: string, edit: MessageEdit, options?: RequestOptions): Promise<Message>;
  /**
   * Deletes one message for good.
   *
   * @throws {BackscrollApiError} conversation_not_found, message_not_found
   */
  deleteMessage(conversationId: string, messageId: string, options?: RequestOptions): Promise<void>;
}

export function messageMethods(send: Send): MessageMethods {
  const methods: MessageMethods = {
    async saveMessage(id, message, options) {
      return send<Message>(
        { method: "POST", path: path`/api/conversations/${id}/messages`, body: withId(message) },
        options,
      );
    },
    async saveMessages(id, messages, options) {
      const body = { messages: messages.map(withId) };
      const saved = await send<{ messages: readonly Message[] }>(
        { method: "POST", path: path`/api/conversations/${id}/messages`, body },
        options,
      );
      return saved.messages;
    },
    async getRecentMessages(id, query = {}, options) {
      return send(read(id, { ...query }), options);
    },
    async getMessagesAfter(id, after, query = {}, options) {
      return send(read(id, { ...query, after }), options);
    },
    async getMessagesAround(id, around, query = {}, options) {
      return send(read(id, { ...query, around }), options);
    },
    async getFullHistory(id, { page = 1, ...query } = {}, options) {
      // The page says that this is the history by pages.
      return send(read(id, { ...query, page }), options);
    },
    iterateMessages: (id, query = {}, options = {}) => iterateMessages(methods, id, { query, options }),
    async editMessage(id, messageId, edit, options) {
      const operation: Operation<Message> = {
        method: "PATCH",
        path: path`/api/conversations/${id}/messages/${messageId}`,
        body: edit,
      };
      if (edit.expected_version === undefined) return send(operation, { ...options, retries: 0 });
      const editedVersion = edit.expected_version + 1;
      return send(
        {
          ...operation,
          async afterLostAnswer(error) {
            if (error.code !== "version_conflict") throw error;
            const { messages } = await methods.getMessagesAround(id, messageId, { limit: 1 }, options);
            const [message] = messages;
            if (message?.version === editedVersion && message.content === edit.content) return message;
            throw error;
          },
        },
        options,
      );
    },
    async deleteMessage(id, messageId, options) {
      const messagePath = path`/api/conversations/${id}/messages/${messageId}`;
      await send({ method: "DELETE", path: messagePath, afterLostAnswer: deletedBefore }, options);
    },
  };
  return methods;
}

function read<Answer>(conversationId: string, query: Record<string, QueryValue>): Operation<Answer> {
  return { method: "GET", path: path`/api/conversations/${conversationId}/messages`, query };
}
