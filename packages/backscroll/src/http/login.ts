import { createRoute, z } from "@hono/zod-openapi";
import { setCookie } from "hono/cookie";
import { BackscrollError } from "../domain/errors.ts";
import type { Login } from "../service/logins.ts";
import { resolveUser } from "../service/users.ts";
import { isOfRecord } from "./auth.ts";
import { readBody } from "./body.ts";
import type { App, Context } from "./context.ts";
import { cookieOf, type CredentialSources, prove } from "./credentials.ts";
import { bodyProblems, json, problems } from "./json.ts";
import { MeShape, toMe } from "./me.ts";
import { checkOrigin } from "./origin.ts";

/** A token fills no more headers than HEADER_BYTES_MAX lets through by default. */
const CREDENTIAL_CHARS_MAX = 16_384;

export interface LoginOptions {
  readonly sources: CredentialSources;
  /** how long a login lasts, unless its credential ends before */
  readonly loginMs: number;
  /** the cookie goes over TLS only */
  readonly secure: boolean;
}

/** @returns the cookie's name: browsers take `__Host-` from nobody but this very host, over TLS */
export function loginCookieName({ secure }: Pick<LoginOptions, "secure">): string {
  return secure ? "__Host-backscroll" : "backscroll";
}

const login = createRoute({
  method: "post",
  path: "/api/login",
  operationId: "login",
  security: [],
  summary: "Log the browser in: sets a cookie that stands for a token or a key",
  description:
    "The cookie is `HttpOnly` and `SameSite=Lax`. It ends with `POST /api/logout`, with the token or the key, or after " +
    "`LOGIN_DAYS`. A change that comes with it needs an `Origin` of the service's own, or of `CORS_ORIGINS`.",
  request: {
    body: {
      required: true,
      ...json(z.strictObject({ credential: z.string().min(1).max(CREDENTIAL_CHARS_MAX) }).openapi("LoginRequest")),
    },
  },
  responses: {
    200: {
      description: "Logged in",
      ...json(z.object({ ...MeShape, expires_at: z.iso.datetime() }).openapi("LoggedIn")),
    },
    ...bodyProblems("route_not_found"),
  },
});

const logout = createRoute({
  method: "post",
  path: "/api/logout",
  operationId: "logout",
  security: [{ cookie: [] }, {}],
  summary: "Log the browser out; one that is not logged in already is",
  responses: {
    200: { description: "Logged out", ...json(z.object({ message: z.string() })) },
    ...problems("route_not_found"),
  },
});

/** @param options null: nobody can log in here. The routes are there all the same, and say so */
export function loginRoutes(app: App, options: LoginOptions | null, requestTimeoutMs: number): void {
  app.use("/api/login", readBody(2 * CREDENTIAL_CHARS_MAX, requestTimeoutMs));

  app.openapi(login, async (c) => {
    const { sources, loginMs, secure } = optionsOrThrow(options);
    const { deps } = c.var;
    // Another site's page could log its visitor in as somebody who then reads along.
    checkOrigin(c.req.raw, sources.origins, { absentIsFine: true });
    const { credentials, expiresAt: end } = await prove(sources, c.req.valid("json").credential);
    const { user, issuedAt, keyId, isAdmin, conversationClaim } = credentials;
    const userId = await resolveUser(deps, user, { issuedAt, keepsEmail: isOfRecord(credentials) });
    const expiresAt = new Date(Math.min(Date.now() + loginMs, end?.getTime() ?? Number.POSITIVE_INFINITY));
    const before = cookieOf(c.req.raw, sources.cookieName);
    if (before !== null) await sources.logins.close(before);
    const secret = await sources.logins.open({ userId, keyId, isAdmin, conversationClaim, expiresAt });
    setLoginCookie(c, { name: sources.cookieName, secure, secret, expiresAt });
    return c.json({ ...toMe(user, { isAdmin, isLogin: true }), expires_at: expiresAt.toISOString() }, 200);
  });

  app.openapi(logout, async (c) => {
    const { sources, secure } = optionsOrThrow(options);
    const secret = cookieOf(c.req.raw, sources.cookieName);
    checkOrigin(c.req.raw, sources.origins, { absentIsFine: secret === null });
    if (secret !== null) await sources.logins.close(secret);
    setLoginCookie(c, { name: sources.cookieName, secure, secret: "", expiresAt: new Date(0) });
    return c.json({ message: "Logged out" }, 200);
  });
}

/** @throws {BackscrollError} route_not_found */
function optionsOrThrow(options: LoginOptions | null): LoginOptions {
  if (options === null) {
    throw new BackscrollError("route_not_found", "nobody logs in here: the service takes no tokens and no keys");
  }
  return options;
}

function setLoginCookie(
  c: Context,
  { name, secure, secret, expiresAt }: { name: string; secure: boolean; secret: string } & Pick<Login, "expiresAt">,
): void {
  setCookie(c, name, secret, {
    path: "/",
    httpOnly: true,
    sameSite: "Lax",
    secure,
    maxAge: Math.max(0, Math.floor((expiresAt.getTime() - Date.now()) / 1_000)),
  });
}
