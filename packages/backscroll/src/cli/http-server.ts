import { createAdaptorServer } from "@hono/node-server";
import type { Server, ServerResponse } from "node:http";
import type { Config } from "../config.ts";
import type { Backscroll } from "../create.ts";

export interface HttpServerOptions extends Pick<Config, "headerBytesMax" | "requestTimeoutMs"> {
  /** a client that takes nothing of its answer for so long is left */
  readonly stallMs?: number;
}

/** Longer than proxies keep a connection that they may use again: 60 s, mostly. It must not go while they do. */
const KEEP_ALIVE_MS = 65_000;
const STALL_MS = 120_000;
/** What is still arriving of a request that was answered gets so long: a client reads the answer when it has sent it all. */
const LINGER_MS = 1_000;

/**
 * Serves HTTP to anybody, the slow and the silent included. Heads arrive within `requestTimeoutMs`; so do bodies, which
 * is seen to where they are read (`http/body.ts`). A slow download goes on as long as it moves.
 *
 * There is no limit of connections: it would turn a flood into a closed door for everybody.
 */
export function createHttpServer(
  fetch: Backscroll["fetch"],
  { headerBytesMax, requestTimeoutMs, stallMs = STALL_MS }: HttpServerOptions,
): Server {
  const server = createAdaptorServer({
    fetch,
    serverOptions: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: requestTimeoutMs,
      // It would cut an import, which may take as long as it takes.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(requestTimeoutMs, 5_000),
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
  }) as Server;
  server.on("request", (_, response: ServerResponse) => {
    response.once("close", () => endUnfinished(response));
    // An answer that is still being thought about is silent, too: only one that waits to be taken is stalled.
    response.setTimeout(stallMs, () => {
      const { socket } = response;
      if (socket && socket.writableLength > 0) socket.destroy();
    });
  });
  return server;
}

function endUnfinished({ req: request }: ServerResponse): void {
  if (request.complete) return;
  setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, LINGER_MS).unref();
}
