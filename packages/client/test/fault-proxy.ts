import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as connect,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/**
 * What happens to one request: `lose-answer` the service does it and answers, the caller sees the connection break;
 * `cut-answer` the caller gets half of the answer; `drop` the service never sees it; `hang` nobody ever answers;
 * `none` all goes well; or an answer of the proxy's own.
 */
type Fault =
  | "lose-answer"
  | "cut-answer"
  | "drop"
  | "hang"
  | "none"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Stands between the client and the service, as networks and load balancers do. */
export interface FaultProxy {
  readonly origin: string;
  /** what befalls the next requests, in order; after these all goes well */
  readonly faults: Fault[];
  /** every request, in order of arrival, with what the caller sent */
  readonly requests: readonly SeenRequest[];
  /** Resolves when this many requests have come. */
  arrived(count: number): Promise<void>;
  close(): Promise<void>;
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const faults: Fault[] = [];
  const requests: SeenRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/", headers } = incoming;
    const body = await buffer(incoming);
    requests.push({ method, url, headers, body: body.toString() });
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
    const fault = faults.shift();
    if (fault === "hang") return;
    if (fault === "drop") return void response.destroy();
    if (typeof fault === "object") return void response.writeHead(fault.status, fault.headers).end(fault.body);
    const answer = await forward(`${target}${url}`, { method, headers, body });
    deliver(answer, response, fault);
  };
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: Error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    requests,
    arrived: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function forward(url: string, sent: { method: string; headers: IncomingHttpHeaders; body: Buffer }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { "transfer-encoding": _, ...headers } = sent.headers;
    if (sent.body.length > 0) headers["content-length"] = String(sent.body.length);
    const outgoing = connect(url, { method: sent.method, headers, agent: false }, (incoming) => {
      buffer(incoming).then(
        (body) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }),
        reject,
      );
    });
    outgoing.on("error", reject);
    outgoing.end(sent.body);
  });
}

function deliver({ status, headers, body }: Answer, response: ServerResponse, fault: Fault | undefined): void {
  if (fault === "lose-answer") return void response.destroy();
  const { "transfer-encoding": _, connection: __, ...kept } = headers;
  response.writeHead(status, { ...kept, "content-length": String(body.length) });
  if (fault !== "cut-answer") return void response.end(body);
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}
