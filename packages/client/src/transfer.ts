import type { RequestOptions, Send } from "./operation.ts";
import { path } from "./path.ts";
import type { ImportResult } from "./types.ts";

/** A JSON export. A stream is read once, so its import is never sent again; not every browser can send one. */
export type ImportSource = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface TransferMethods {
  /**
   * Downloads a whole conversation as a stream of UTF-8, whatever its length: JSON that `importConversations` reads,
   * or Markdown. `timeoutMs` ends when the answer begins; a connection that breaks later errors the stream.
   *
   * @throws {BackscrollApiError} conversation_not_found
   */
  exportConversation(
    conversationId: string,
    query?: { readonly format?: "json" | "markdown" | undefined },
    options?: RequestOptions,
  ): Promise<ReadableStream<Uint8Array>>;
  /** The same for everything there is of the caller, in the format that `importConversations` reads. */
  exportMe(options?: RequestOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Reads an export. What is there already is skipped, so an import that broke off is simply run again. It may take as
   * long as it likes unless `timeoutMs` says else.
   *
   * @returns what was stored, and what could not be
   * @throws {BackscrollApiError} malformed_json: what came before it is stored
   */
  importConversations(source: ImportSource, options?: RequestOptions): Promise<ImportResult>;
}

export function transferMethods(send: Send): TransferMethods {
  return {
    async exportConversation(id, query = {}, options) {
      return send.stream({ method: "GET", path: path`/api/conversations/${id}/export`, query: { ...query } }, options);
    },
    exportMe: async (options) => send.stream({ method: "GET", path: "/api/me/export" }, options),
    async importConversations(source, options) {
      return send<ImportResult>(
        { method: "POST", path: "/api/import", rawBody: source },
        {
          ...options,
          timeoutMs: options?.timeoutMs ?? Number.POSITIVE_INFINITY,
          ...(source instanceof ReadableStream && { retries: 0 }),
        },
      );
    },
  };
}
