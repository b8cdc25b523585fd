import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const WORDS = 20;
const EVERY_MS = 40;
/** What it says, of every question alike. */
export const REPLY = Array.from({ length: WORDS }, (_, word) => `word ${word} `).join("");

/** Serves an agent for `RESPONDER_URL` in this thread that takes 0.8 s for a reply. @returns where it is */
export async function startAgent(): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    let said = 0;
    const timer = setInterval(() => {
      if (said < WORDS) {
        response.write(`data: ${JSON.stringify({ type: "text", text: `word ${said} ` })}\n\n`);
        said += 1;
        return;
      }
      clearInterval(timer);
      response.end("data: [DONE]\n\n");
    }, EVERY_MS);
    response.on("close", () => clearInterval(timer));
  });
  // Longer than the service keeps a connection that it may use again.
  server.keepAliveTimeout = 120_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
