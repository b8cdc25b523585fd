import { Agent, request } from "node:http";
import { parentPort, workerData } from "node:worker_threads";
import { measureRate } from "./rounds.ts";

/** What one worker thread is asked for: one request at a time on each of so many kept-alive connections. */
export interface LoadRequest {
  readonly concurrency: number;
  readonly ms: number;
  readonly method: "GET" | "POST";
  /** the nth connection asks for the nth path, over and over */
  readonly paths: readonly string[];
  readonly body: string | null;
  readonly authorization?: string;
  readonly expectedStatus: number;
}

// Runs in a thread of its own: the event loop of the server serves, and does not ask.
const { port } = workerData as { port: number };
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function ask({ method, body, authorization, expectedStatus }: LoadRequest, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(body !== null && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      ...(authorization !== undefined && { authorization }),
    };
    const asked = request({ host: "127.0.0.1", port, path, method, agent, headers }, (response) => {
      const { statusCode } = response;
      response.on("end", () =>
        statusCode === expectedStatus ? resolve() : reject(new Error(`${path}: ${statusCode}`)),
      );
      response.on("error", reject);
      response.resume();
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

async function answer(load: LoadRequest): Promise<{ rate: number } | { error: string }> {
  try {
    return {
      rate: await measureRate(load.concurrency, load.ms, (worker) =>
        ask(load, load.paths[worker % load.paths.length] ?? "/"),
      ),
    };
  } catch (error) {
    return { error: String(error) };
  }
}

async function report(load: LoadRequest): Promise<void> {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(await answer(load));
}

parentPort?.on("message", (load: LoadRequest) => void report(load));
