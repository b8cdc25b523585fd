/** A year: what browsers that preload such sites ask for at least. */
const HSTS_SECONDS = 31_536_000;

/**
 * What every answer tells browsers. Nothing that the API answers is a page: whoever has a browser show it gets no
 * script, no style, no frame. A page of the service's own sets a policy of its own.
 *
 * @param overTls browsers find the service by https: they are told to use nothing else
 */
export function securityHeaders({ overTls }: { overTls: boolean }): Readonly<Record<string, string>> {
  return {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    ...(overTls && { "strict-transport-security": `max-age=${HSTS_SECONDS}` }),
  };
}
