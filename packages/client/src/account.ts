import type { RequestOptions, Send } from "./operation.ts";
import type { Live, Me, Ready, Usage } from "./types.ts";

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface AccountMethods {
  /** Who the service takes the caller for. */
  getMe(options?: RequestOptions): Promise<Me>;
  /**
   * Messages and tokens per day, role and model; what was deleted since then is counted.
   *
   * @param query days in UTC as `YYYY-MM-DD`, at most 366 of them; default the last 30
   */
  getUsage(
    query?: { readonly from?: string | undefined; readonly to?: string | undefined },
    options?: RequestOptions,
  ): Promise<Usage>;
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
    getMe: async (options) => send<Me>({ method: "GET", path: "/api/me" }, options),
    getUsage: async (query = {}, options) =>
      send<Usage>({ method: "GET", path: "/api/usage", query: { ...query } }, options),
    livez: async (options) =>
      send<Live>({ method: "GET", path: "/livez" }, { ...options, retries: options?.retries ?? 0 }),
    readyz: async (options) =>
      send<Ready>({ method: "GET", path: "/readyz" }, { ...options, retries: options?.retries ?? 0 }),
  };
}
