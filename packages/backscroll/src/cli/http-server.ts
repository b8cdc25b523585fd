import { createAdaptorServer } from "@hono/node-server";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Config } from "../config.ts";
import type { Backscroll } from "../create.ts";

export interface HttpServerOptions extends Pick<Config, "headerBytesMax" | "requestTimeoutMs"> {
  /** a client that takes nothing of its answer for so long is left */
  readonly stallMs?: number;
}

export interface HttpServer {
  readonly server: Server;
  /**
   * Takes no new connection, answers what was asked, and lets the rest go. Whoever asks once more on a connection that
   * was kept is answered, and told that it is the last time; one on which nothing comes for a second goes. A request that
   * is not there yet within `requestTimeoutMs` is given up, and everybody after `graceMs`.
   */
  close(graceMs: number): Promise<void>;
}

/** Longer than proxies keep a connection that they may use again: 60 s, mostly. It must not go while they do. */
const KEEP_ALIVE_MS = 65_000;
const STALL_MS = 120_000;
/** What is still arriving of a request that was answered gets so long: a client reads the answer when it has sent it all. */
const LINGER_MS = 1_000;
/**
 * A kept connection goes only after nothing came on it for so long: closed at once, it would meet the next request of a
 * client that cannot know it yet. Whoever asks more often than this loses nothing.
 */
const IDLE_MS = 1_000;
const SWEEP_MS = 50;

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
      // Not the HTTP server's own: that one closes idle connections at once.
      const closed = new Promise<void>((done) => NetServer.prototype.close.call(server, () => done()));
      const sweep = connections.letGo(requestTimeoutMs);
      const timer = setTimeout(() => connections.destroyAll(), graceMs);
      await closed;
      clearTimeout(timer);
      clearInterval(sweep);
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

/** What is known of a connection. */
interface Activity {
  /** those that are being made, or sent */
  readonly answers: Set<ServerResponse>;
  /** when it was last seen to do something */
  atMs: number;
  /** what had come on it then */
  bytesRead: number;
}

/** Who is connected, and who of them waits for an answer. */
class Connections {
  readonly #all = new Map<Socket, Activity>();
  #isClosing = false;

  add(socket: Socket): void {
    this.#all.set(socket, { answers: new Set(), atMs: performance.now(), bytesRead: 0 });
    socket.once("close", () => this.#all.delete(socket));
  }

  answer(socket: Socket, response: ServerResponse): void {
    const activity = this.#all.get(socket);
    if (!activity) return;
    activity.answers.add(response);
    if (this.#isClosing) response.shouldKeepAlive = false;
    response.once("close", () => {
      activity.answers.delete(response);
      activity.atMs = performance.now();
      activity.bytesRead = socket.bytesRead;
    });
  }

  /** @returns what looks after those that are left */
  letGo(requestTimeoutMs: number): NodeJS.Timeout {
    this.#isClosing = true;
    const begunMs = performance.now();
    for (const activity of this.#all.values()) {
      activity.atMs = begunMs;
      for (const response of activity.answers) if (!response.headersSent) response.shouldKeepAlive = false;
    }
    return setInterval(() => this.#sweep(performance.now() - begunMs > requestTimeoutMs), SWEEP_MS);
  }

  #sweep(isLate: boolean): void {
    for (const [socket, activity] of this.#all) {
      if (activity.answers.size > 0) continue;
      if (isLate) socket.destroy();
      else if (isIdle(socket, activity)) {
        // Once more after what has arrived meanwhile was read.
        setImmediate(() => {
          if (activity.answers.size === 0 && isIdle(socket, activity)) socket.destroySoon();
        });
      }
    }
  }

  destroyAll(): void {
    for (const socket of this.#all.keys()) socket.destroy();
  }
}

function isIdle({ bytesRead }: Socket, activity: Activity): boolean {
  return bytesRead === activity.bytesRead && performance.now() - activity.atMs >= IDLE_MS;
}
