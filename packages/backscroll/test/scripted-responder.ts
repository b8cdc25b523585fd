import { createAdaptorServer } from "@hono/node-server";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { RespondRequest, ResponderDelta } from "../src/responder/responder.ts";
import { createServices, newSchema, type Services } from "./services.ts";

/** One reply that somebody waits for, in the hands of its test. */
interface ScriptedReply {
  readonly request: RespondRequest;
  say(text: string): void;
  add(delta: ResponderDelta): void;
  finish(): void;
  fail(error: Error): void;
}

/** A Backscroll in this process whose replies its test writes, with a port of its own. */
export interface ScriptedServices extends Services {
  readonly url: string;
  readonly server: Server;
  /** replies asked for so far */
  readonly asked: number;
  /** @returns each reply that is asked for, once and in order; waits for the next one */
  nextReply(): Promise<ScriptedReply>;
}

/** @param options of the service; it ends with the test */
export async function scriptedServices(
  options: Partial<Parameters<typeof createServices>[0]> = {},
): Promise<ScriptedServices> {
  const { databaseUrl, drop } = await newSchema();
  const replies = new Queue<ScriptedReply>();
  let asked = 0;
  const services = await createServices({
    ...options,
    databaseUrl,
    responder: {
      description: "scripted",
      respond(request) {
        asked += 1;
        const deltas = new Queue<ResponderDelta | "end" | Error>();
        replies.put({
          request,
          say: (text) => deltas.put({ type: "text", text }),
          add: (delta) => deltas.put(delta),
          finish: () => deltas.put("end"),
          fail: (error) => deltas.put(error),
        });
        return said(deltas);
      },
    },
  });
  const server = createAdaptorServer({ fetch: services.fetch }) as Server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await services.close();
    await drop();
  });
  return {
    ...services,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    get asked() {
      return asked;
    },
    nextReply: () => replies.take(),
  };
}

async function* said(deltas: Queue<ResponderDelta | "end" | Error>): AsyncGenerator<ResponderDelta> {
  for (;;) {
    const delta = await deltas.take();
    if (delta === "end") return;
    if (delta instanceof Error) throw delta;
    yield delta;
  }
}

class Queue<Item> {
  readonly #items: Item[] = [];
  readonly #takers: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  take(): Promise<Item> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item);
  }
}
