import { SignJWT } from "jose";
import { expect, test } from "vitest";
import { loadConfig } from "../src/config.ts";
import { createTokenVerifier, type TokenSettings } from "../src/http/token-auth.ts";
import { createRemoteKeys } from "../src/http/token-keys.ts";
import { listUsers } from "../src/postgres/users.ts";
import { authenticatedOn, bearer, startAuthenticated, startWithIssuer } from "./authenticated-services.ts";
import { expectProblem } from "./problem.ts";
import {
  AUDIENCE,
  ISSUER,
  signWithSecret,
  startTokenIssuer,
  type TokenIssuer,
  type TokenOptions,
} from "./token-issuer.ts";

const ADA = "ada@example.com";
const SECRET = "a secret of more than thirty-two bytes";
const NOW = (): number => Math.floor(Date.now() / 1_000);
const quiet = { log: { debug() {}, info() {}, warn() {}, error() {} } };

function settingsOf(issuer: TokenIssuer, options: Parameters<typeof createRemoteKeys>[2] = {}): TokenSettings {
  return {
    algorithm: "RS256",
    key: createRemoteKeys(quiet, issuer.jwksUrl, options),
    issuer: ISSUER,
    audience: AUDIENCE,
    userClaim: "email",
    conversationClaim: "conversation_id",
    clockToleranceS: 0,
  };
}

test("a good token opens its user's history, and nobody else's", async () => {
  const { issuer, send, whoIs } = await startWithIssuer();
  const ada = bearer(await issuer.token(ADA));
  expect((await send("GET", "/api/me", ada)).json).toEqual({
    issuer: "local",
    subject: ADA,
    email: ADA,
    is_admin: false,
    logged_in: false,
  });
  await send("POST", "/api/conversations", ada, { id: "c" });
  expect((await send("GET", "/api/conversations/c", ada)).status).toBe(200);
  const bob = bearer(await issuer.token("bob@example.com"));
  expectProblem(await send("GET", "/api/conversations/c", bob), "conversation_not_found");
  // RFC 9110, 11.1: the scheme in any case.
  expect(await whoIs({ authorization: `bEARER   ${await issuer.token(ADA)}` })).toBe(ADA);
});

test("without credentials the answer is 401, and says which are taken", async () => {
  const { send } = await startWithIssuer();
  const answer = await send("GET", "/api/me");
  expectProblem(answer, "unauthenticated");
  expect(answer.headers.get("www-authenticate")).toBe("Bearer");
});

/** What makes a token of Ada's bad, and what the answer says of it. */
const BAD: [what: string, options: TokenOptions, said: string][] = [
  ["has expired", { expiresIn: -31 }, "expired"],
  ["does not expire", { claims: { exp: undefined } }, "exp"],
  ["expires at a word", { claims: { exp: "tomorrow" } }, ""],
  ["is not valid yet", { claims: { nbf: NOW() + 90 } }, "nbf"],
  ["is meant for somebody else", { claims: { aud: "elsewhere" } }, "aud"],
  ["is meant for many others", { claims: { aud: ["elsewhere", "nowhere"] } }, "aud"],
  ["is meant for nobody in particular", { claims: { aud: undefined } }, "aud"],
  ["is of another issuer", { claims: { iss: "https://evil.example.com/" } }, "iss"],
  ["is of no issuer", { claims: { iss: undefined } }, "iss"],
  ["has no address", { claims: { email: undefined } }, "JWT_EMAIL_CLAIM"],
  ["has an empty address", { claims: { email: "" } }, "JWT_EMAIL_CLAIM"],
  ["has two addresses", { claims: { email: [ADA, ADA] } }, "JWT_EMAIL_CLAIM"],
  ["has an address that is not verified", { claims: { email_verified: false } }, "not verified"],
  ["says so in words", { claims: { email_verified: "false" } }, "not verified"],
  ["names a key that nobody shows", { kid: "nobody's" }, "does not show"],
];

test.for(BAD)("a token that %s is refused", async ([, options, said]) => {
  const { issuer, send } = await startWithIssuer();
  const token = await issuer.token(ADA, options);
  const answer = await send("GET", "/api/me", bearer(token));
  expectProblem(answer, "unauthenticated");
  expect(answer.json.detail).toContain(said);
  for (const part of token.split(".")) expect(answer.text).not.toContain(part);
});

test("a token that is none, is not signed, or is signed with the public key, is refused", async () => {
  const { issuer, send, whoIs } = await startWithIssuer();
  const good = await issuer.token(ADA);
  const [header = "", payload = "", signature = ""] = good.split(".");
  const bobs = (await issuer.token("bob@example.com")).split(".")[1] ?? "";
  const bad = [
    "nonsense",
    "a.b.c",
    `${header}.${payload}.`,
    `${header}.${bobs}.${signature}`,
    `${good}x`,
    issuer.unsigned(ADA),
    await issuer.confused(ADA),
    await signWithSecret(SECRET, ADA),
  ];
  for (const token of bad) expectProblem(await send("GET", "/api/me", bearer(token)), "unauthenticated");
  expect(await whoIs(bearer(good))).toBe(ADA);
  // With the same key, but not the algorithm that was chosen.
  const key = await issuer.newKey("ES256");
  await issuer.show([key]);
  expect((await send("GET", "/api/me", bearer(await issuer.token(ADA)))).json.detail).toContain("algorithm");
});

test.for(["ES256", "EdDSA"] as const)("%s: its tokens are accepted, and those of RS256 are not", async (algorithm) => {
  const issuer = await startTokenIssuer(algorithm);
  const verify = createTokenVerifier({ ...settingsOf(issuer, { unknownKeyMs: 0 }), algorithm });
  expect((await verify(await issuer.token(ADA))).user.subject).toBe(ADA);
  const rsa = await issuer.newKey("RS256");
  await issuer.show([rsa]);
  await expect(verify(await issuer.token(ADA))).rejects.toMatchObject({ code: "unauthenticated" });
});

test("clocks may differ by the tolerance, and by no more", async () => {
  const { issuer, whoIs } = await startWithIssuer({ jwtClockToleranceS: 60 });
  const who = async (options: TokenOptions): Promise<string> => whoIs(bearer(await issuer.token(ADA, options)));
  expect(await who({ expiresIn: -30 })).toBe(ADA);
  expect(await who({ expiresIn: -61 })).toBe("unauthenticated");
  expect(await who({ claims: { nbf: NOW() + 30 } })).toBe(ADA);
  expect(await who({ claims: { nbf: NOW() + 120 } })).toBe("unauthenticated");
});

test("a token that was accepted is refused as soon as it has expired", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer));
  const token = await issuer.token(ADA, { expiresIn: 2 });
  const { expiresAt } = await verify(token);
  await expect
    .poll(() => verify(token).catch((error: { code: string }) => error.code), { timeout: 10_000 })
    .toBe("unauthenticated");
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime());
});

test("HS256: the application's secret signs, and no other", async () => {
  const { whoIs, send } = await startAuthenticated({ jwtSecret: SECRET, jwtAudience: AUDIENCE });
  expect(await whoIs(bearer(await signWithSecret(SECRET, ADA)))).toBe(ADA);
  const others = await signWithSecret(`another ${SECRET}`, ADA);
  expect((await send("GET", "/api/me", bearer(others))).json.detail).toContain("signature");
});

test("a token that is meant for somebody in particular is refused where nobody said who this is", async () => {
  const { whoIs } = await startAuthenticated({ jwtSecret: SECRET });
  expect(await whoIs(bearer(await signWithSecret(SECRET, ADA)))).toBe("unauthenticated");
  expect(await whoIs(bearer(await signWithSecret(SECRET, ADA, { claims: { aud: undefined } })))).toBe(ADA);
});

test("the claim that names the user is the one that is configured", async () => {
  const named = async (jwtEmailClaim: string, claims: object): Promise<unknown> => {
    const { send } = await startAuthenticated({ jwtSecret: SECRET, jwtEmailClaim });
    const token = await new SignJWT({ ...claims, exp: NOW() + 60 })
      .setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(SECRET));
    return (await send("GET", "/api/me", bearer(token))).json;
  };
  expect(await named("sub", { sub: "u1", email: ADA, email_verified: false })).toMatchObject({
    subject: "u1",
    email: ADA,
  });
  expect(await named("sub", { sub: "u1" })).toMatchObject({ subject: "u1", email: null });
  expect(await named("https://example.com/mail", { "https://example.com/mail": ADA })).toMatchObject({
    subject: ADA,
    email: ADA,
  });
  expect(await named("sub", { email: ADA })).toMatchObject({ code: "unauthenticated" });
});

test("where an address is no name, it follows what the person's tokens say, and nothing else", async () => {
  const { services, send, newKey, whoIs } = await startAuthenticated({ jwtSecret: SECRET, jwtEmailClaim: "sub" });
  const admin = await newKey("backend", { scope: "admin" });
  const before = await newKey("u1");
  const token = async (email: string): Promise<{ authorization: string }> =>
    bearer(await signWithSecret(SECRET, email, { claims: { sub: "u1", aud: undefined } }));
  const stored = async (): Promise<unknown> =>
    (await listUsers(services.deps.db)).find(({ subject }) => subject === "u1")?.email;

  expect(await whoIs(await token(ADA))).toBe(ADA);
  const { secret } = await newKey("u1");
  await send("GET", "/api/me", { ...bearer(admin.secret), "x-backscroll-user": "u1" });
  await services.conversations.createConversation("u1");
  const other = await authenticatedOn(services.databaseUrl, { jwtSecret: SECRET, jwtEmailClaim: "sub" });
  await other.send("GET", "/api/me", { ...bearer(admin.secret), "x-backscroll-user": "u1" });
  await other.services.conversations.createConversation("u1");
  expect(await stored()).toBe(ADA);

  const login = await send("POST", "/api/login", {}, { credential: secret });
  const cookie = { cookie: login.headers.getSetCookie()[0]?.split(";")[0] ?? "" };
  expect(await whoIs(cookie)).toBe(ADA);
  expect(await whoIs(await token("ada@new.example.com"))).toBe("ada@new.example.com");
  // They remember the old one for a moment.
  for (const credential of [bearer(secret), bearer(before.secret), cookie]) await send("GET", "/api/me", credential);
  expect(await stored()).toBe("ada@new.example.com");
});

test("a token does not make an admin: ADMINS does", async () => {
  const { issuer, send } = await startWithIssuer({ admins: ["boss@example.com"] });
  const me = async (email: string, claims = {}): Promise<boolean> =>
    (await send("GET", "/api/me", bearer(await issuer.token(email, { claims })))).json.is_admin;
  expect(await me("boss@example.com")).toBe(true);
  expect(await me(ADA, { is_admin: true, isAdmin: true, scope: "admin" })).toBe(false);
  const acting = { ...bearer(await issuer.token("boss@example.com")), "x-backscroll-user": ADA };
  expectProblem(await send("GET", "/api/me", acting), "forbidden");
});

test("a token says when it was issued, or counts as older than any erasure", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer));
  const iat = NOW() - 60;
  expect((await verify(await issuer.token(ADA, { claims: { iat } }))).issuedAt).toEqual(new Date(iat * 1_000));
  expect((await verify(await issuer.token(ADA, { claims: { iat: undefined } }))).issuedAt).toEqual(new Date(0));
});

test("a token names a conversation in the claim that is configured", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer));
  const named = async (conversation_id: unknown): Promise<string | null> =>
    (await verify(await issuer.token(ADA, { claims: { conversation_id } }))).conversationClaim;
  expect(await named("c1")).toBe("c1");
  for (const nothing of [undefined, null, "", 5, {}]) expect(await named(nothing)).toBeNull();
});

test("a rotated key is picked up with the first token that it signed, and keys are read once for all others", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer, { unknownKeyMs: 0 }));
  for (let i = 0; i < 5; i += 1) await verify(await issuer.token(`${i}@example.com`));
  expect(issuer.asked).toBe(1);
  const old = await issuer.token(ADA);
  const next = await issuer.newKey();
  await issuer.show([next]);
  expect((await verify(await issuer.token(ADA))).user.subject).toBe(ADA);
  expect(issuer.asked).toBe(2);
  await expect(verify(old)).rejects.toMatchObject({ code: "unauthenticated" });
});

test("tokens with keys that nobody has seen do not make the service ask for keys each time", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer));
  await verify(await issuer.token(ADA));
  for (let i = 0; i < 20; i += 1) {
    const token = await issuer.token(ADA, { kid: `made-up-${i}` });
    await expect(verify(token)).rejects.toMatchObject({ code: "unauthenticated" });
  }
  expect(issuer.asked).toBe(1);
});

test("nor while their provider fails: it is asked once in a while, and what is known goes on", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer, { unknownKeyMs: 0 }));
  await verify(await issuer.token(ADA));
  issuer.answer(500, "");
  for (let i = 0; i < 20; i += 1) {
    const token = await issuer.token(ADA, { kid: `made-up-${i}` });
    // It may be a new key's: nobody can tell.
    await expect(verify(token)).rejects.toMatchObject({ code: "identity_provider_unavailable" });
  }
  expect(issuer.asked).toBe(2);
  expect((await verify(await issuer.token("first@example.com"))).user.subject).toBe("first@example.com");
});

test("the keys' address goes over TLS, and holds no password: fetch would quote it", () => {
  const config = (url: string): unknown =>
    loadConfig({ JWT_JWKS_URL: url, JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE }).jwtJwksUrl;
  for (const url of ["https://id.example.com/jwks?k=v", "http://localhost:1/jwks"]) expect(config(url)).toBe(url);
  for (const url of [
    "http://id.example.com/jwks",
    "https://user:planted@id.example.com/",
    "https://u@id.example.com/",
  ]) {
    expect(() => config(url)).toThrow(/^JWT_JWKS_URL must (?!.*planted)/);
  }
});

test("of several keys, the one that the token names is tried, and a token that names none is refused", async () => {
  const issuer = await startTokenIssuer();
  const [one, two] = [await issuer.newKey(), await issuer.newKey()];
  await issuer.show([one, two]);
  const verify = createTokenVerifier(settingsOf(issuer));
  for (const key of [one, two]) await verify(await issuer.token(ADA, { key }));
  for (const kid of [one.kid, null]) {
    await expect(verify(await issuer.token(ADA, { key: two, kid }))).rejects.toMatchObject({ code: "unauthenticated" });
  }
});

test("a provider whose keys cannot be read is no reason to take a token for bad: 503, and again later", async () => {
  const { issuer, send } = await startWithIssuer();
  const token = await issuer.token(ADA);
  await issuer.goAway();
  for (let i = 0; i < 2; i += 1) {
    const answer = await send("GET", "/api/me", bearer(token));
    expectProblem(answer, "identity_provider_unavailable");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("5");
  }
  // What needs no provider goes on.
  expect((await send("GET", "/readyz")).status).toBe(200);
});

test.for([
  ["an error page", 500, "<html>"],
  ["no JSON", 200, "<html>"],
  ["no keys", 200, "[]"],
  ["a redirection", 302, ""],
] as const)("a provider that answers %s counts as away", async ([, status, body]) => {
  const issuer = await startTokenIssuer();
  issuer.answer(status, body);
  const verify = createTokenVerifier(settingsOf(issuer));
  await expect(verify(await issuer.token(ADA))).rejects.toMatchObject({ code: "identity_provider_unavailable" });
});

test("keys that were read stay good while the provider is away, and are read anew when it is back", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer, { refreshMs: 1 }));
  await verify(await issuer.token("first@example.com"));
  await issuer.goAway();
  for (let i = 0; i < 3; i += 1) await verify(await issuer.token(`${i}@example.com`));
  await issuer.comeBack();
  const before = issuer.asked;
  await expect
    .poll(async () => {
      await verify(await issuer.token(`${Math.random()}@example.com`));
      return issuer.asked;
    })
    .toBeGreaterThan(before);
});

test("a key that is no longer shown is refused once the keys were read anew", async () => {
  const issuer = await startTokenIssuer();
  const verify = createTokenVerifier(settingsOf(issuer, { refreshMs: 1 }));
  const stolen = await issuer.newKey();
  const kept = await issuer.newKey();
  await issuer.show([kept, stolen]);
  await verify(await issuer.token(ADA, { key: stolen }));
  await issuer.show([kept]);
  await expect
    .poll(async () =>
      verify(await issuer.token(`${Math.random()}@example.com`, { key: stolen })).then(
        () => "accepted",
        (error: { code: string }) => error.code,
      ),
    )
    .toBe("unauthenticated");
});
