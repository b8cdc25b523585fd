import type { MiddlewareHandler } from "hono";
import type { Actor } from "../domain/actor.ts";
import { BackscrollError, invalidRequest } from "../domain/errors.ts";
import type { UserName } from "../domain/user.ts";
import { noteActedFor } from "../service/audit.ts";
import { resolveUser } from "../service/users.ts";
import type { Context, Variables } from "./context.ts";

/**
 * Says who is calling, for a host that knows its users by itself: called for every request under `/api`,
 * and every minute again while the request's event stream is open.
 *
 * @returns null or undefined when the request carries no valid credentials; it is answered 401
 */
export type Authenticate = (request: Request) => UserName | null | undefined | Promise<UserName | null | undefined>;

/** What a request's valid credentials say. */
export interface Credentials {
  /** whose they are */
  readonly user: UserName;
  /** when they were given out: somebody erased since then is nobody. null: not known, and taken for now */
  readonly issuedAt: Date | null;
  /** the API key they are, or that the browser was logged in with */
  readonly keyId: string | null;
  /** may act for everybody: `x-backscroll-user` */
  readonly mayActForOthers: boolean;
  /** sees what only admins see */
  readonly isAdmin: boolean;
  /** they are a login's cookie */
  readonly isLogin: boolean;
  /** the conversation that the token names, for `SESSIONS=claim` */
  readonly conversationClaim: string | null;
}

/**
 * @returns null when there are none
 * @throws {BackscrollError} unauthenticated, saying what is wrong with them; origin_not_allowed; host_not_allowed
 */
export type FindCredentials = (request: Request) => Promise<Credentials | null>;

/** Who a request comes from, beside whose history it is about. */
export interface Caller {
  readonly actor: Actor;
  readonly mayActForOthers: boolean;
  readonly isAdmin: boolean;
  readonly isLogin: boolean;
  readonly conversationClaim: string | null;
}

/** The header with which a backend says for whom it acts. */
const ACTS_FOR = "x-backscroll-user";

/** @returns whether a user sees what only admins see */
export type IsAdmin = (user: UserName) => boolean;

/** @returns the credentials of a host's own users */
export function credentialsOfHost(authenticate: Authenticate, isAdmin: IsAdmin): FindCredentials {
  return async (request) => {
    const user = await authenticate(request);
    if (user === null || user === undefined) return null;
    return {
      user,
      issuedAt: null,
      keyId: null,
      mayActForOthers: false,
      isAdmin: isAdmin(user),
      isLogin: false,
      conversationClaim: null,
    };
  };
}

/** How it is answered who was erased, and asks with credentials from before; null: as everybody, `user_erased` */
export type AnswerErased = (c: Context, name: UserName) => Promise<Response | null>;

/** Puts the user and the caller into the context; whoever cannot say who they are goes no further. */
export function authenticated(
  findCredentials: FindCredentials,
  answerErased: AnswerErased,
): MiddlewareHandler<{ Variables: Variables }> {
  const orErased = async (c: Context, name: UserName, id: Promise<number>): Promise<number | Response> => {
    try {
      return await id;
    } catch (error) {
      const isErased = error instanceof BackscrollError && error.code === "user_erased";
      const answer = isErased ? await answerErased(c, name) : null;
      if (answer) return answer;
      throw error;
    }
  };
  return async (c, next) => {
    const deps = c.get("deps");
    const credentials = await findCredentials(c.req.raw);
    if (credentials === null) throw new BackscrollError("unauthenticated", "send valid credentials");
    const { user, issuedAt, keyId, ...caller } = credentials;
    const name = actsFor(c, caller.mayActForOthers);
    const resolving = resolveUser(deps, user, { issuedAt, keepsEmail: isOfRecord(credentials) });
    // A backend whose own person was erased does nothing for others.
    const ownId = name === null ? await orErased(c, user, resolving) : await resolving;
    if (ownId instanceof Response) return ownId;
    c.set("caller", { actor: { userId: ownId, keyId }, ...caller });
    c.set("isStillIn", () => isIn(findCredentials, c.req.raw));
    const id = name === null ? ownId : await orErased(c, name, resolveUser(deps, name, { isActedFor: true }));
    if (id instanceof Response) return id;
    if (id !== ownId) await noteActedFor(deps, c.var.caller.actor, id);
    c.set("user", { id, name: name ?? user });
    await next();
    return undefined;
  };
}

async function isIn(findCredentials: FindCredentials, request: Request): Promise<boolean> {
  try {
    return (await findCredentials(request)) !== null;
  } catch (error) {
    return !(error instanceof BackscrollError && error.code === "unauthenticated");
  }
}

/** @returns whether the user is named as they are stored, or were a moment ago */
export function isOfRecord({ keyId, isLogin }: Pick<Credentials, "keyId" | "isLogin">): boolean {
  return keyId !== null || isLogin;
}

/** @returns null when the caller acts for nobody else */
function actsFor(c: Context, mayActForOthers: boolean): string | null {
  const header = c.req.header(ACTS_FOR);
  if (header === undefined) return null;
  if (!mayActForOthers) {
    throw new BackscrollError("forbidden", `only a key with the scope admin may send ${ACTS_FOR}`);
  }
  try {
    // Headers arrive as bytes, one a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(header, "latin1"));
  } catch {
    throw invalidRequest({ path: ACTS_FOR, message: "must be UTF-8" });
  }
}
