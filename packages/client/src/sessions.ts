import { deletedBefore } from "./deleted-before.ts";
import type { RequestOptions, Send } from "./operation.ts";
import { path } from "./path.ts";
import type { NewSession, Session, SessionChanges } from "./types.ts";

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
    deleteSession: async (id, options) => {
      await send({ method: "DELETE", path: path`/api/sessions/${id}`, afterLostAnswer: deletedBefore }, options);
    },
  };
}
