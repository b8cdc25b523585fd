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
 * `none` all goes well; after so many bytes of the answer the connection breaks, or is silent for ever; or an answer of
 * the proxy's own. Answers are passed on as they come.
 */
type Fault =
  | "lose-answer"
  | "cut-answer"
  | "drop"
  | "hang"
  | "none"
  | { readonly cutAfterBytes: number }
  | { readonly stallAfterBytes: number }
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
  /** From now on another server stands behind it. */
  forwardTo(origin: string): void;
  /** Breaks every connection on which an answer is on its way, or hangs. */
  cut(): void;
  /** Resolves when this many requests have come. */
  arrived(count: number): Promise<void>;
  close(): Promise<void>;
}

export async function startFaultProxy(firstTarget: string): Promise<FaultProxy> {
  let target = firstTarget;
  const faults: Fault[] = [];
  const requests: SeenRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const answering = new Set<ServerResponse>();

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/", headers } = incoming;
    const body = await buffer(incoming);
    requests.push({ method, url, headers, body: body.toString() });
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
    const fault = faults.shift();
    answering.add(response);
    response.on("close", () => answering.delete(response));
    if (fault === "hang") return;
    if (fault === "drop") return void response.destroy();
    if (typeof fault === "object" && "status" in fault) {
      return void response.writeHead(fault.status, fault.headers).end(fault.body);
    }
    const answer = await forward(`${target}${url}`, { method, headers, body });
    if (fault === "lose-answer" || fault === "cut-answer") await deliverLate(answer, response, fault);
    else passOn(answer, response, fault);
  };
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: Error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    requests,
    forwardTo: (origin) => void (target = origin),
    cut() {
      for (const response of answering) response.destroy();
    },
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

function forward(
  url: string,
  sent: { method: string; headers: IncomingHttpHeaders; body: Buffer },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { "transfer-encoding": _, ...headers } = sent.headers;
    if (sent.body.length > 0) headers["content-length"] = String(sent.body.length);
    const outgoing = connect(url, { method: sent.method, headers, agent: false }, resolve);
    outgoing.on("error", reject);
    outgoing.end(sent.body);
  });
}

/** What the service did is done by the time the caller's connection breaks. */
async function deliverLate(
  answer: IncomingMessage,
  response: ServerResponse,
  fault: "lose-answer" | "cut-answer",
): Promise<void> {
  const body = await buffer(answer);
  if (fault === "lose-answer") return void response.destroy();
  response.writeHead(answer.statusCode ?? 0, { ...headersOf(answer), "content-length": String(body.length) });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}

function passOn(answer: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
  const cutAfter = typeof fault === "object" && "cutAfterBytes" in fault ? fault.cutAfterBytes : Infinity;
  const stallAfter = typeof fault === "object" && "stallAfterBytes" in fault ? fault.stallAfterBytes : Infinity;
  let passed = 0;
  // A caller that goes away is gone for the service, too, and the other way round.
  response.on("close", () => answer.destroy());
  answer.on("error", () => response.destroy());
  response.writeHead(answer.statusCode ?? 0, headersOf(answer)).flushHeaders();
  answer.on("data", (bytes: Buffer) => {
    const left = Math.max(0, Math.min(cutAfter, stallAfter) - passed);
    passed += bytes.length;
    response.write(bytes.subarray(0, left));
    if (passed >= cutAfter) response.write("", () => response.destroy());
  });
  answer.on("end", () => {
    if (stallAfter === Infinity && cutAfter === Infinity) response.end();
  });
}

function headersOf({ headers }: IncomingMessage): IncomingHttpHeaders {
  const { "transfer-encoding": _, connection: __, ...kept } = headers;
  return kept;
}
