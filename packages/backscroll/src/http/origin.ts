import { BackscrollError } from "../domain/errors.ts";

/** Which pages may use the browser's cookie. */
export interface OwnOrigins {
  /** where browsers find the service; undefined: where the request's `Host` says */
  readonly publicUrl: string | undefined;
  /** of other sites, which may too */
  readonly corsOrigins: readonly string[];
}

/**
 * Refuses what a page of another site sends with the cookie of this one: browsers name the page's origin with every
 * request that may change something.
 *
 * @param options `absentIsFine`: nothing was sent that a page could misuse, and not every caller is a browser
 * @throws {BackscrollError} origin_not_allowed
 */
export function checkOrigin(
  request: Request,
  { publicUrl, corsOrigins }: OwnOrigins,
  { absentIsFine = false }: { absentIsFine?: boolean } = {},
): void {
  const origin = request.headers.get("origin");
  if (origin === null) {
    const site = request.headers.get("sec-fetch-site");
    if (site === "same-origin" || (absentIsFine && site === null)) return;
  } else if (corsOrigins.includes(origin) || isOwn(origin, publicUrl, request)) return;
  throw new BackscrollError(
    "origin_not_allowed",
    origin === null
      ? "the browser's cookie changes something only with an Origin header: send a token or a key instead"
      : "the page's origin is neither PUBLIC_URL (without it, the request's Host) nor one of CORS_ORIGINS",
  );
}

function isOwn(origin: string, publicUrl: string | undefined, request: Request): boolean {
  if (publicUrl !== undefined) return origin === new URL(publicUrl).origin;
  const host = hostOf(request);
  // Whoever ends TLS in front passes on the host, not the scheme. An app's own scheme may name any host.
  return origin === `http://${host}` || origin === `https://${host}`;
}

function hostOf(request: Request): string {
  return request.headers.get("host") ?? new URL(request.url).host;
}
