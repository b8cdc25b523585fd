import { setCookie } from "hono/cookie";
import { invalidRequest } from "../domain/errors.ts";
import { ID_PATTERN } from "../domain/ids.ts";
import { observe } from "../service/observe.ts";
import type { Turn } from "../service/running-reply.ts";
import { startTurnBegun, startTurnIn, startTurnInSession } from "../service/session-turns.ts";
import { startTurn, type TurnRequest } from "../service/turn.ts";
import type { App, Context } from "./context.ts";
import { cookieOf } from "./credentials.ts";
import { ID_MESSAGE } from "./schemas.ts";

export interface SessionOptions {
  /** how a turn that names no conversation finds one */
  readonly by: "mapping" | "cookie" | "claim";
  /** how long a cookie is kept without being used */
  readonly days: number;
  /** the cookie goes over TLS only */
  readonly secure: boolean;
}

/** A turn as its body says it. */
export interface SessionTurn extends TurnRequest {
  readonly sessionId: string | undefined;
}

/**
 * Starts a turn in the conversation that it names or, when it names none, in its session's. Whoever's session it is, the
 * conversation is looked for among the user's own.
 *
 * @throws {BackscrollError} as `startTurn`; invalid_request for a `sessionId` where sessions are kept otherwise
 */
export type StartSessionTurn = (c: Context, turn: SessionTurn) => Promise<Turn>;

/** The guide's option A. It holds a conversation's id: what it opens is decided by who sends it. */
const COOKIE = "backscroll_session";

export function createSessionResolver({ by }: Pick<SessionOptions, "by">): StartSessionTurn {
  const start = { mapping: startMapped, cookie: startByCookie, claim: startByClaim }[by];
  return async (c, { sessionId, ...request }) => {
    if (sessionId !== undefined && by !== "mapping") throw invalidRequest({ path: "session_id", message: REFUSED[by] });
    const { deps, user } = c.var;
    // One operation, however often it has to try.
    return observe(deps, "startTurn", () =>
      request.conversationId === undefined ? start(c, { ...request, sessionId }) : startTurn(deps, user.id, request),
    );
  };
}

const REFUSED = {
  cookie: "is for SESSIONS=mapping: this service keeps sessions in a cookie",
  claim: "is for SESSIONS=mapping: here the token names the conversation",
};

function startMapped(c: Context, { sessionId, ...request }: SessionTurn): Promise<Turn> {
  const { deps, user } = c.var;
  if (sessionId === undefined) return startTurn(deps, user.id, request);
  return startTurnInSession(deps, { userId: user.id, sessionId }, request);
}

async function startByCookie(c: Context, request: SessionTurn): Promise<Turn> {
  const { deps, user } = c.var;
  const named = cookieOf(c.req.raw, COOKIE);
  const turn =
    (await startTurnBegun(deps, user.id, request)) ??
    (named !== null && ID_PATTERN.test(named)
      ? await startTurnIn(deps, { userId: user.id, conversationId: named }, request)
      : null) ??
    (await startTurn(deps, user.id, request));
  c.set("sessionConversation", turn.conversationId);
  return turn;
}

function startByClaim(c: Context, request: SessionTurn): Promise<Turn> {
  const { deps, user, caller } = c.var;
  const { conversationClaim: conversationId } = caller;
  if (conversationId === null) return startTurn(deps, user.id, request);
  if (!ID_PATTERN.test(conversationId)) {
    throw invalidRequest({ path: "authorization", message: `names a conversation by an id that ${ID_MESSAGE}` });
  }
  return startTurn(deps, user.id, { ...request, conversationId, createConversation: true });
}

/**
 * Sets the cookie once a turn has begun: with its head when the answer is a stream, and with an error, too, for the
 * message is kept. Again with every answer, so that it lives on while it is used.
 */
export function keepSessionCookie(app: App, path: string, { days, secure }: SessionOptions): void {
  app.use(path, async (c, next) => {
    await next();
    const { sessionConversation } = c.var;
    if (sessionConversation === undefined) return;
    const maxAge = days * 86_400;
    setCookie(c, COOKIE, sessionConversation, { path: "/api", httpOnly: true, sameSite: "Lax", secure, maxAge });
  });
}
