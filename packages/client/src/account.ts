import type { RequestOptions, Send } from "./operation.ts";
import type { OperatorReport, OperatorWindow } from "./operator-report.ts";
import type { AuditPage, AuditQuery, Erased, Live, LoggedIn, Me, Ready, Usage } from "./types.ts";

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface AccountMethods {
  /**
   * Logs the browser in: sets a cookie that scripts cannot read, and that stands for the token or key.
   *
   * @param credential a token or an API key
   * @throws {BackscrollApiError} unauthenticated, origin_not_allowed; route_not_found where nobody logs in
   */
  login(credential: string, options?: RequestOptions): Promise<LoggedIn>;
  /**
   * Logs the browser out; one that is not logged in already is.
   *
   * @throws {BackscrollApiError} origin_not_allowed; route_not_found where nobody logs in
   */
  logout(options?: RequestOptions): Promise<void>;
  /** Who the service takes the caller for. */
  getMe(options?: RequestOptions): Promise<Me>;
  /**
   * Erases the caller, or whom a backend's key acts for, and all that they have: for good, on every server. Their
   * credentials are refused from then on. `exportMe` first.
   *
   * @returns what they had; nothing when they were erased already
   */
  eraseMe(options?: RequestOptions): Promise<Erased>;
  /**
   * Messages and tokens per day, role and model; what was deleted since then is counted.
   *
   * @param query days in UTC as `YYYY-MM-DD`, at most 366 of them; default the last 30
   */
  getUsage(
    query?: { readonly from?: string | undefined; readonly to?: string | undefined },
    options?: RequestOptions,
  ): Promise<Usage>;
  /**
   * Who deleted, exported, erased, or acted for somebody, newest first; for admins.
   *
   * @param query `user`: what they did, or what was done to their history; `limit` 1 to 200, default 50
   * @throws {BackscrollApiError} forbidden, invalid_cursor
   */
  listAudit(query?: AuditQuery, options?: RequestOptions): Promise<AuditPage>;
  /**
   * How the server that answers is, and was since it started; for admins.
   *
   * @param query `window`: how far back; default 15m
   * @throws {BackscrollApiError} forbidden
   */
  getOperatorReport(
    query?: { readonly window?: OperatorWindow | undefined },
    options?: RequestOptions,
  ): Promise<OperatorReport>;
  /** The process lives. Asked once: `retries` is 0 unless given. */
  livez(options?: RequestOptions): Promise<Live>;
  /**
   * PostgreSQL answers, and the service is not stopping. Asked once: `retries` is 0 unless given.
   *
   * @throws {BackscrollApiError} database_unavailable, shutting_down
   */
  readyz(options?: RequestOptions): Promise<Ready>;
}

export function accountMethods(send: Send): AccountMethods {
  return {
    login: async (credential, options) =>
      send<LoggedIn>({ method: "POST", path: "/api/login", body: { credential } }, options),
    logout: async (options) => {
      await send({ method: "POST", path: "/api/logout" }, options);
    },
    getMe: async (options) => send<Me>({ method: "GET", path: "/api/me" }, options),
    eraseMe: async (options) => send<Erased>({ method: "DELETE", path: "/api/me" }, options),
    getUsage: async (query = {}, options) =>
      send<Usage>({ method: "GET", path: "/api/usage", query: { ...query } }, options),
    listAudit: async (query = {}, options) =>
      send<AuditPage>({ method: "GET", path: "/api/audit", query: { ...query } }, options),
    getOperatorReport: async (query = {}, options) =>
      send<OperatorReport>({ method: "GET", path: "/api/operator", query: { ...query } }, options),
    livez: async (options) =>
      send<Live>({ method: "GET", path: "/livez" }, { ...options, retries: options?.retries ?? 0 }),
    readyz: async (options) =>
      send<Ready>({ method: "GET", path: "/readyz" }, { ...options, retries: options?.retries ?? 0 }),
  };
}
