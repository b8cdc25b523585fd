import { createAdaptorServer } from "@hono/node-server";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Config } from "../config.ts";
import type { Backscroll } from "../create.ts";

export interface HttpServerOptions extends Pick<Config, "headerBytesMax" | "requestTimeoutMs"> {
  /** a client that takes nothing of its answer for so long is left */
  readonly stallMs?: number;
}

export interface HttpServer {
  readonly server: Server;
  /**
   * Takes no new connection, answers what was asked, and lets the rest go: whoever has asked nothing at once, a
   * request that is not there yet within `requestTimeoutMs`, everybody after `graceMs`.
   */
  close(graceMs: number): Promise<void>;
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
): HttpServer {
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
  const connections = new Connections();
  server.on("connection", (socket: Socket) => connections.add(socket));
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    connections.answer(request.socket, response);
    response.once("close", () => endUnfinished(request, LINGER_MS));
    // While it trickles in, the answer would never count as stalled.
    if (hasBodyNobodyReads(request)) endUnfinished(request, requestTimeoutMs);
    // An answer that is still being thought about is silent, too: only one that waits to be taken is stalled.
    response.setTimeout(stallMs, () => {
      const { socket } = response;
      if (socket && socket.writableLength > 0) socket.destroy();
    });
  });
  return {
    server,
    async close(graceMs) {
      const closed = new Promise<void>((done) => server.close(() => done()));
      connections.letGo({ server, requestTimeoutMs });
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function hasBodyNobodyReads({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  return hasBody && (method === "GET" || method === "HEAD");
}

function endUnfinished(request: IncomingMessage, ms: number): void {
  if (request.complete) return;
  setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, ms).unref();
}

/** Who is connected, and who of them waits for an answer. */
class Connections {
  readonly #all = new Set<Socket>();
  readonly #answers = new Map<Socket, number>();
  #closing: Server | null = null;

  add(socket: Socket): void {
    this.#all.add(socket);
    socket.once("close", () => this.#all.delete(socket));
  }

  answer(socket: Socket, response: ServerResponse): void {
    this.#answers.set(socket, (this.#answers.get(socket) ?? 0) + 1);
    response.once("close", () => {
      const left = (this.#answers.get(socket) ?? 1) - 1;
      if (left === 0) this.#answers.delete(socket);
      else this.#answers.set(socket, left);
      // Node turns a connection idle only after the response's own listeners have run.
      setImmediate(() => this.#closing?.closeIdleConnections());
    });
  }

  /** A connection that is kept alive goes as soon as it has its answer. Node.js itself looks at no head any more. */
  letGo({ server, requestTimeoutMs }: { server: Server; requestTimeoutMs: number }): void {
    this.#closing = server;
    for (const socket of this.#all) if (socket.bytesRead === 0) socket.destroy();
    setTimeout(() => {
      for (const socket of this.#all) if (!this.#answers.has(socket)) socket.destroy();
    }, requestTimeoutMs).unref();
  }
}
