import { deletedBefore } from "./deleted-before.ts";
import type { RequestOptions, Send } from "./operation.ts";
import { path } from "./path.ts";
import type { NewSession, Session } from "./types.ts";

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface SessionMethods {
  /**
   * Gives a session of your app its conversation, with which it begins or goes on; the context is replaced. A turn that
   * sends the `session_id` then goes there.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  putSession(sessionId: string, session: NewSession, options?: RequestOptions): Promise<Session>;
  /** It lives on when it is read. @throws {BackscrollApiError} session_not_found, for one that has expired too */
  getSession(sessionId: string, options?: RequestOptions): Promise<Session>;
  /** Its conversation stays. @throws {BackscrollApiError} session_not_found */
  deleteSession(sessionId: string, options?: RequestOptions): Promise<void>;
}

export function sessionMethods(send: Send): SessionMethods {
  return {
    putSession: async (id, session, options) =>
      send<Session>({ method: "PUT", path: path`/api/sessions/${id}`, body: session }, options),
    getSession: async (id, options) => send<Session>({ method: "GET", path: path`/api/sessions/${id}` }, options),
    deleteSession: async (id, options) => {
      await send({ method: "DELETE", path: path`/api/sessions/${id}`, afterLostAnswer: deletedBefore }, options);
    },
  };
}
