import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A responder that answers when it is told to, and tells when it was asked. */
export async function slowResponder(): Promise<{ url: string; asked: Promise<void>; release(): void }> {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    request.resume();
    asked.resolve();
    response.setHeader("content-type", "application/json");
    void released.promise.then(() => response.end(JSON.stringify({ content: "late, but here" })));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    released.resolve();
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked: asked.promise,
    release: released.resolve,
  };
}
