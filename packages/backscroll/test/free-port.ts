import { once } from "node:events";
import { createServer } from "node:net";

/** @returns a port of loopback that nobody listens on; somebody may before it is used */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  server.close();
  await once(server, "close");
  return address.port;
}

/** Below the ports that the system gives to connections: there one would take it while its server is away. */
const PORTS = { first: 15_000, count: 15_000 };

/** @returns a port of loopback that stays free while its server is away */
export async function keptPort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue; // taken: another one
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
