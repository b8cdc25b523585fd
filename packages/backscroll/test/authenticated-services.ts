import { expect, onTestFinished } from "vitest";
import type { BackscrollOptions } from "../src/create.ts";
import { createApiKey, type KeyScope } from "../src/service/api-keys.ts";
import { type Answer, createServices, newSchema, type Services } from "./services.ts";
import { AUDIENCE, ISSUER, startTokenIssuer, type TokenIssuer } from "./token-issuer.ts";

/** A Backscroll that callers have to say to who they are. */
export interface Authenticated {
  readonly services: Services;
  /** Sends a request with these headers, and without any socket. */
  readonly send: (method: string, path: string, headers?: Record<string, string>, body?: unknown) => Promise<Answer>;
  /** @returns who these headers say that the caller is: an address, or the error's code */
  readonly whoIs: (headers: Record<string, string>) => Promise<string>;
  readonly newKey: (
    user: string,
    options?: { scope?: KeyScope; expiresAt?: Date },
  ) => Promise<{ id: string; secret: string }>;
}

/** @param options without any, only keys are accepted */
export async function startAuthenticated(options: BackscrollOptions = {}): Promise<Authenticated> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return authenticatedOn(databaseUrl, options);
}

/** @returns another server on this database */
export async function authenticatedOn(databaseUrl: string, options: BackscrollOptions = {}): Promise<Authenticated> {
  const services = await createServices({
    local: true,
    auth: "required",
    rateLimits: "off",
    ...options,
    databaseUrl,
  });
  onTestFinished(() => services.close());
  const send: Authenticated["send"] = (method, path, headers = {}, body) =>
    services.call("", method, path, body, headers);
  return {
    services,
    send,
    async whoIs(headers) {
      const { json } = await send("GET", "/api/me", headers);
      expect(json).toBeDefined();
      return json.email ?? json.code;
    },
    async newKey(user, { scope = "own", expiresAt } = {}) {
      const { secret, apiKey } = await createApiKey(services.deps, user, {
        name: "",
        scope,
        expiresAt: expiresAt ?? null,
      });
      return { id: apiKey.id, secret };
    },
  };
}

/** The same with an identity provider whose tokens are accepted. */
export async function startWithIssuer(
  options: BackscrollOptions = {},
): Promise<Authenticated & { readonly issuer: TokenIssuer }> {
  const issuer = await startTokenIssuer();
  const settings = { jwtJwksUrl: issuer.jwksUrl, jwtIssuer: ISSUER, jwtAudience: AUDIENCE };
  return { ...(await startAuthenticated({ ...settings, ...options })), issuer };
}

export function bearer(credential: string): { authorization: string } {
  return { authorization: `Bearer ${credential}` };
}
