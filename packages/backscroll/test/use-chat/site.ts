import { once } from "node:events";
import { createServer, type IncomingMessage, request as connect, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { extname } from "node:path";
import { pipeline } from "node:stream";
import { onTestFinished } from "vitest";
import type { Files } from "./bundle-page.ts";

/** Serves a page, and forwards `/api` to one of several services, as a load balancer does. */
export interface Site {
  readonly port: number;
  /** Which service the next requests go to; what runs stays where it is. */
  forwardTo(service: { readonly url: string }): void;
  /** @returns how many requests of this method and path have come, whatever came of them */
  received(request: string): number;
}

const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** Starts a site; it ends with the test. */
export async function startSite(files: Files): Promise<Site> {
  let target = "";
  const requests: string[] = [];
  const server = createServer((incoming, response) => {
    const { pathname } = new URL(incoming.url ?? "/", "http://site");
    requests.push(`${incoming.method} ${pathname}`);
    if (pathname.startsWith("/api/")) return forward(incoming, response, target);
    const file = files.get(pathname === "/" ? "/page.html" : pathname);
    if (file === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(pathname)] ?? "text/html" }).end(file);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return {
    port: (server.address() as AddressInfo).port,
    forwardTo: ({ url }) => void (target = url),
    received: (request) => requests.filter((received) => received === request).length,
  };
}

/** As it comes, piece by piece. Whichever side breaks off, the other one sees it. */
function forward(incoming: IncomingMessage, response: ServerResponse, target: string): void {
  const { method, headers } = incoming;
  const outgoing = connect(`${target}${incoming.url}`, { method, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    pipeline(answer, response, () => undefined);
  });
  outgoing.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end("bad gateway")));
  response.on("close", () => outgoing.destroy());
  incoming.pipe(outgoing);
}
