import { serve } from "@hono/node-server";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test as base } from "../../backscroll/test/services.ts";
import { type BackscrollClient, type ClientOptions, createClient } from "../src/index.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";

export const ADA = "ada@example.com";

interface Fixtures {
  /** where this test's own service listens */
  readonly origin: string;
  /** between the clients and the service */
  readonly proxy: FaultProxy;
  /** Ada's, through the proxy */
  readonly client: BackscrollClient;
  /** @returns another one, Ada's and through the proxy unless told otherwise */
  readonly clientWith: (options: Partial<ClientOptions>) => BackscrollClient;
}

/** A test with a service of its own on a real socket. */
export const test = base.extend<Fixtures>({
  origin: async ({ services }, use) => {
    const server = serve({ fetch: services.fetch, hostname: "127.0.0.1", port: 0 }) as Server;
    if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  },
  proxy: async ({ origin }, use) => {
    const proxy = await startFaultProxy(origin);
    await use(proxy);
    await proxy.close();
  },
  clientWith: async ({ proxy }, use) => {
    await use((options) => createClient({ baseUrl: proxy.origin, headers: { "x-test-user": ADA }, ...options }));
  },
  client: async ({ clientWith }, use) => {
    await use(clientWith({}));
  },
});

/** @returns what the promise rejected with */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export function said(count: number, prefix = "m"): { role: "user"; content: string }[] {
  return Array.from({ length: count }, (_, index) => ({ role: "user", content: `${prefix}${index + 1}` }));
}
