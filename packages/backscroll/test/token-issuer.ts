import { createHmac, type JsonWebKey } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { onTestFinished } from "vitest";

export const ISSUER = "https://id.example.com/";
export const AUDIENCE = "backscroll";

type Algorithm = "RS256" | "ES256" | "EdDSA";

/** One of a provider's key pairs. */
interface SigningKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** What a token says beside what it must; `undefined` leaves a claim out. Times are in seconds from now. */
export interface TokenOptions {
  readonly claims?: Record<string, unknown>;
  readonly expiresIn?: number;
  readonly key?: SigningKey;
  /** as the token names its key; null: not at all */
  readonly kid?: string | null;
}

/** An identity provider: signs tokens, and shows its keys over HTTP. */
export interface TokenIssuer {
  readonly jwksUrl: string;
  /** how often its keys were asked for */
  readonly asked: number;
  /** Says who signs from now on, and which keys are shown. */
  show(keys: readonly SigningKey[]): Promise<void>;
  /** Answers its keys with this status and body instead. */
  answer(status: number, body: string): void;
  /** Never answers. */
  hang(): void;
  /** Its address refuses connections. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  newKey(algorithm?: Algorithm): Promise<SigningKey>;
  token(email: string, options?: TokenOptions): Promise<string>;
  /** @returns a token that says it needs no signature */
  unsigned(email: string): string;
  /** @returns a token signed by HMAC, with the public key's PEM as its secret: who verifies with "the key" would take it */
  confused(email: string): Promise<string>;
}

/** @param algorithm of its first key */
export async function startTokenIssuer(algorithm: Algorithm = "RS256"): Promise<TokenIssuer> {
  let keys: readonly SigningKey[] = [await newKey(algorithm, "first")];
  let jwks = await toJwks(keys);
  let fixed: { status: number; body: string } | "hang" | null = null;
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    if (fixed === "hang") return;
    const { status, body } = fixed ?? { status: 200, body: jwks };
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  });
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  const goAway = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  onTestFinished(goAway);
  const shownFirst = (): SigningKey => keys[0] as SigningKey;
  let made = 0;
  return {
    jwksUrl: `http://127.0.0.1:${port}/jwks.json`,
    get asked() {
      return asked;
    },
    async show(shown) {
      keys = shown;
      jwks = await toJwks(shown);
      fixed = null;
    },
    answer(status, body) {
      fixed = { status, body };
    },
    hang() {
      fixed = "hang";
    },
    goAway,
    comeBack: () => listen(server, port),
    newKey: (of = algorithm) => newKey(of, `key-${(made += 1)}`),
    async token(email, { claims = {}, expiresIn = 600, key = shownFirst(), kid = key.kid } = {}) {
      const header = { alg: key.algorithm, ...(kid !== null && { kid }) };
      return new SignJWT(claimsOf(email, expiresIn, claims)).setProtectedHeader(header).sign(key.privateKey);
    },
    unsigned: (email) => `${encode({ alg: "none" })}.${encode(claimsOf(email, 600))}.`,
    async confused(email) {
      const { kid, publicKey } = shownFirst();
      const signed = `${encode({ alg: "HS256", kid })}.${encode(claimsOf(email, 600))}`;
      const pem = await exportSPKI(publicKey);
      return `${signed}.${createHmac("sha256", pem).update(signed).digest("base64url")}`;
    },
  };
}

/** @returns a token of an application that shares its secret with the service */
export async function signWithSecret(
  secret: string,
  email: string,
  { claims = {}, expiresIn = 600 }: TokenOptions = {},
): Promise<string> {
  return new SignJWT(claimsOf(email, expiresIn, claims))
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

function claimsOf(email: string, expiresIn: number, claims: Record<string, unknown> = {}): JWTPayload {
  const now = Math.floor(Date.now() / 1_000);
  const usual = { sub: `id of ${email}`, email, iss: ISSUER, aud: AUDIENCE, iat: now, exp: now + expiresIn };
  return { ...usual, ...claims };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

async function newKey(algorithm: Algorithm, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { kid, algorithm, privateKey, publicKey };
}

async function toJwks(keys: readonly SigningKey[]): Promise<string> {
  const shown = keys.map(async ({ kid, algorithm, publicKey }): Promise<JsonWebKey> => {
    return { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: "sig" };
  });
  return JSON.stringify({ keys: await Promise.all(shown) });
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}
