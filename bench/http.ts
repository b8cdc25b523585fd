import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import type { LoadRequest } from "./load-generator.ts";
import type { Subject } from "./rounds.ts";

/** A handler behind a real socket, and a thread that asks it. */
export interface HttpBench {
  subject(name: string, load: Omit<LoadRequest, "concurrency" | "ms">): Subject;
  /** @returns the pieces of one answer as they come */
  open(path: string): Promise<AsyncIterable<Uint8Array>>;
  /** @returns the body of one answer */
  get(path: string, headers?: Record<string, string>): Promise<string>;
  close(): Promise<void>;
}

export async function serveHttp(fetch: (request: Request) => Response | Promise<Response>): Promise<HttpBench> {
  const server = createAdaptorServer({ fetch }) as Server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const generator = new Worker(new URL("load-generator.ts", import.meta.url), { workerData: { port } });
  return {
    subject: (name, load) => ({
      name,
      async run(concurrency, ms) {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        generator.postMessage({ ...load, concurrency, ms } satisfies LoadRequest);
        const [answer] = (await once(generator, "message")) as [{ rate: number } | { error: string }];
        if ("error" in answer) throw new Error(answer.error);
        return answer.rate;
      },
    }),
    async get(path, headers = {}) {
      const response = await globalThis.fetch(`http://127.0.0.1:${port}${path}`, { headers });
      return response.text();
    },
    async open(path) {
      const response = await globalThis.fetch(`http://127.0.0.1:${port}${path}`);
      if (!response.ok || !response.body) throw new Error(`${path}: ${response.status}`);
      return response.body;
    },
    async close() {
      await generator.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What the HTTP stack does with no work behind it: reads the body there is, and answers these bytes. */
export function staticApp(body: string, status: number): Hono {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Hono()
    .get("*", () => new Response(body, { status, headers }))
    .post("*", async (c) => {
      await c.req.text();
      return new Response(body, { status, headers });
    });
}
