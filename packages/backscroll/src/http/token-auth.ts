import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey, type JWTVerifyOptions } from "jose";
import { LRUCache } from "lru-cache";
import { BackscrollError } from "../domain/errors.ts";
import { type Identity, LOCAL_ISSUER } from "../domain/user.ts";
import { hashSecret } from "../service/secret.ts";

export interface TokenSettings {
  /** the one that tokens may be signed with */
  readonly algorithm: "HS256" | "RS256" | "ES256" | "EdDSA";
  /** the secret of HS256, or what finds the public key */
  readonly key: string | JWTVerifyGetKey;
  /** what `iss` must be; undefined: anything */
  readonly issuer: string | undefined;
  /** what `aud` must be or hold; undefined: there must be none */
  readonly audience: string | undefined;
  /** the claim that says who the user is */
  readonly userClaim: string;
  /** the claim that names the conversation, for `SESSIONS=claim` */
  readonly conversationClaim: string;
  readonly clockToleranceS: number;
}

interface VerifiedToken {
  readonly user: Identity;
  /** the beginning of time for a token without `iat`: it may be older than any erasure */
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly conversationClaim: string | null;
}

/** @throws {BackscrollError} unauthenticated, saying why; identity_provider_unavailable */
export type VerifyToken = (token: string) => Promise<VerifiedToken>;

const REMEMBERED_MAX = 10_000;
/** A signature that was good is not computed again for so long. */
const REMEMBERED_MS = 60_000;

export function createTokenVerifier(settings: TokenSettings): VerifyToken {
  const known = new LRUCache<string, VerifiedToken>({ max: REMEMBERED_MAX, ttl: REMEMBERED_MS });
  const toleranceMs = settings.clockToleranceS * 1_000;
  return async (token) => {
    // Not the token: a dump of the memory should not hold more of them than it must.
    const digest = hashSecret(token).toString("base64");
    const before = known.get(digest);
    if (before && Date.now() < before.expiresAt.getTime() + toleranceMs) return before;
    const verified = toVerifiedToken(await verify(token, settings), settings);
    known.set(digest, verified);
    return verified;
  };
}

async function verify(token: string, settings: TokenSettings): Promise<JWTPayload> {
  const { algorithm, key, issuer, audience, clockToleranceS } = settings;
  const options: JWTVerifyOptions = {
    // RFC 9864 gave EdDSA with this curve a name of its own.
    algorithms: algorithm === "EdDSA" ? ["EdDSA", "Ed25519"] : [algorithm],
    requiredClaims: ["exp"],
    clockTolerance: clockToleranceS,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
  };
  try {
    const { payload } =
      typeof key === "string"
        ? await jwtVerify(token, new TextEncoder().encode(key), options)
        : await jwtVerify(token, key, options);
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) throw refused(reasonOf(error), error);
    throw error;
  }
}

/** @returns what is wrong with a token, without anything of it */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return "the token has expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    return CLAIM_REASONS[error.claim] ?? "a claim of the token is not as it must be";
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token is signed with an algorithm that is not accepted";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong";
  if (error instanceof errors.JWKSNoMatchingKey) return "the token is signed with a key that its issuer does not show";
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return "the token does not say which key it is signed with (kid)";
  return "this is not a JSON Web Token";
}

const CLAIM_REASONS: Readonly<Record<string, string>> = {
  aud: "the token is meant for another service (aud)",
  iss: "the token is of another issuer (iss)",
  exp: "the token does not say when it expires (exp)",
  nbf: "the token is not valid yet (nbf)",
};

function toVerifiedToken(payload: JWTPayload, settings: TokenSettings): VerifiedToken {
  // RFC 7519, 4.1.3: who does not find itself in it must refuse.
  if (settings.audience === undefined && payload.aud !== undefined) throw refused(CLAIM_REASONS["aud"] ?? "");
  const conversation = payload[settings.conversationClaim];
  return {
    user: userOf(payload, settings.userClaim),
    issuedAt: toDate(payload.iat ?? 0),
    expiresAt: toDate(payload.exp ?? 0),
    conversationClaim: typeof conversation === "string" && conversation !== "" ? conversation : null,
  };
}

/** @throws {BackscrollError} unauthenticated */
function userOf(payload: JWTPayload, claim: string): Identity {
  const subject = payload[claim];
  if (typeof subject !== "string" || subject === "") {
    throw refused("the token does not say who the user is, in the claim that JWT_EMAIL_CLAIM names");
  }
  // Whoever may register with any address would be anybody. Some providers write booleans as text.
  const { email, email_verified: verified } = payload;
  if (claim === "email" && verified !== undefined && verified !== true && verified !== "true") {
    throw refused("the token's email address is not verified");
  }
  if (claim !== "sub") return { issuer: LOCAL_ISSUER, subject, email: subject };
  return { issuer: LOCAL_ISSUER, subject, email: typeof email === "string" && email !== "" ? email : null };
}

/** Beyond this there is no Date. */
const SECONDS_MAX = 8.64e12;

function toDate(seconds: number): Date {
  return new Date(Math.max(-SECONDS_MAX, Math.min(seconds, SECONDS_MAX)) * 1_000);
}

function refused(reason: string, cause?: unknown): BackscrollError {
  return new BackscrollError("unauthenticated", reason, {}, { cause });
}
