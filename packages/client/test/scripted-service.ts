import { onTestFinished } from "vitest";
import { type ScriptedServices, scriptedServices } from "../../backscroll/test/scripted-responder.ts";
import { type BackscrollClient, type ClientOptions, createClient, type ReplyEvent } from "../src/index.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
import { ADA } from "./running-service.ts";

/** A service whose replies the test writes, and Ada's client of it, with a proxy in between. */
export interface Scripted {
  readonly services: ScriptedServices;
  readonly proxy: FaultProxy;
  readonly client: BackscrollClient;
  readonly clientWith: (options: Partial<ClientOptions>) => BackscrollClient;
}

export async function startScripted(options: Parameters<typeof scriptedServices>[0] = {}): Promise<Scripted> {
  const services = await scriptedServices(options);
  const proxy = await startFaultProxy(services.url);
  onTestFinished(() => proxy.close());
  const clientWith = (more: Partial<ClientOptions>): BackscrollClient =>
    createClient({ baseUrl: proxy.origin, headers: { "x-test-user": ADA }, ...more });
  return { services, proxy, client: clientWith({}), clientWith };
}

/** What somebody who draws every event has on the screen. */
export function drawn(events: readonly ReplyEvent[]): string {
  let shown = "";
  for (const event of events) {
    if (event.type === "restart") shown = "";
    if (event.type === "text") shown += event.delta;
    if (event.type === "tool-call") shown += `[${event.tool_name} ${JSON.stringify(event.input)}]`;
    if (event.type === "tool-result") shown += `[${event.tool_name}: ${JSON.stringify(event.output)}]`;
  }
  return shown;
}

/** Reads a loop's events until what is drawn of them is this. */
export async function readUntil(events: AsyncIterator<ReplyEvent, void>, wanted: string): Promise<ReplyEvent[]> {
  const read: ReplyEvent[] = [];
  while (drawn(read) !== wanted) {
    if (drawn(read).length > wanted.length) throw new Error(`${JSON.stringify(drawn(read))} was drawn`);
    const next = await events.next();
    if (next.done === true) throw new Error(`it ended with ${JSON.stringify(drawn(read))} drawn`);
    read.push(next.value);
  }
  return read;
}

/** @returns an answer of the proxy's own: a stream of these chunks */
export function streamOf(...chunks: readonly object[]): {
  status: number;
  headers: Record<string, string>;
  body: string;
} {
  const body = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");
  return { status: 200, headers: { "content-type": "text/event-stream" }, body: `${body}data: [DONE]\n\n` };
}
