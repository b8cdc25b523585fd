import { deletedBefore } from "./deleted-before.ts";
import type { RequestOptions, Send } from "./operation.ts";
import { withId } from "./mint-id.ts";
import { path } from "./path.ts";
import type { Message, NewMessage, NewSession, Session, SessionChanges, SessionsSlice } from "./types.ts";

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface SessionMethods {
  /**
   * Gives a session of your app its conversation, with which it begins or goes on; the context is replaced. A turn that
   * sends the `session_id` then goes there.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  putSession(sessionId: string, session: NewSession, options?: RequestOptions): Promise<Session>;
  /**
   * Sets and removes keys of a session's context; the others stay. Of two changes at once neither loses the other's keys.
   *
   * @throws {BackscrollApiError} session_not_found; invalid_request when the context would be over 256 KiB
   */
  updateSession(sessionId: string, changes: SessionChanges, options?: RequestOptions): Promise<Session>;
  /** It lives on when it is read. @throws {BackscrollApiError} session_not_found, for one that has expired too */
  getSession(sessionId: string, options?: RequestOptions): Promise<Session>;
  /**
   * Saves 1 to 100 messages in order, all or none, in a session's conversation. A session that is new, or whose
   * conversation is gone, begins with a new one: its `conversation_id` is the messages'. Safe to repeat, as `saveMessages`.
   *
   * @returns them as stored, in the order given
   * @throws {BackscrollApiError} message_id_conflict when an id is there with another body; message_too_large
   */
  appendToSession(
    sessionId: string,
    messages: readonly NewMessage[],
    options?: RequestOptions,
  ): Promise<readonly Message[]>;
  /**
   * Sessions in the order of their ids. Fewer than `limit` may come where their contexts are large: `has_next` says whether
   * the list goes on.
   *
   * @param query `cursor` is the `next_cursor` of an answer before; absent: the beginning. `limit` 1 to 200, default 50
   * @throws {BackscrollApiError} invalid_cursor
   */
  listSessions(
    query?: { readonly cursor?: string | undefined; readonly limit?: number | undefined },
    options?: RequestOptions,
  ): Promise<SessionsSlice>;
  /** Its conversation stays. @throws {BackscrollApiError} session_not_found */
  deleteSession(sessionId: string, options?: RequestOptions): Promise<void>;
}

export function sessionMethods(send: Send): SessionMethods {
  return {
    putSession: async (id, session, options) =>
      send<Session>({ method: "PUT", path: path`/api/sessions/${id}`, body: session }, options),
    updateSession: async (id, changes, options) =>
      send<Session>({ method: "PATCH", path: path`/api/sessions/${id}`, body: changes }, options),
    getSession: async (id, options) => send<Session>({ method: "GET", path: path`/api/sessions/${id}` }, options),
    appendToSession: async (id, messages, options) => {
      const body = { messages: messages.map(withId) };
      const request = { method: "POST", path: path`/api/sessions/${id}/messages`, body } as const;
      return (await send<{ messages: readonly Message[] }>(request, options)).messages;
    },
    listSessions: async (query = {}, options) =>
      send<SessionsSlice>({ method: "GET", path: "/api/sessions", query }, options),
    deleteSession: async (id, options) => {
      await send({ method: "DELETE", path: path`/api/sessions/${id}`, afterLostAnswer: deletedBefore }, options);
    },
  };
}
