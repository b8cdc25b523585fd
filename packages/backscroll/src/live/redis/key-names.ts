import { createHmac } from "node:crypto";

/** @returns the name of a key in Redis, alone in its slot */
export type NameKey = (kind: "budget" | "slots", of: string) => string;

/**
 * Names keys so that Redis knows neither whose they are nor from which address somebody came: addresses are few enough
 * to be guessed, so the HMAC is under a secret that Redis does not have.
 *
 * @param prefix carries the id of the database
 */
export function createNameKey(prefix: string, secret: Buffer): NameKey {
  return (kind, of) => {
    const hidden = createHmac("sha256", secret).update(`${kind}:${of}`).digest("base64url").slice(0, 22);
    // The braces are literal.
    return `${prefix}${kind}:{${hidden}}`;
  };
}
