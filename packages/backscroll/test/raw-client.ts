import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A client that says what it likes, as slowly as it likes. */
export interface RawClient {
  readonly socket: Socket;
  /** Everything it was told so far. */
  told(): string;
  /** resolves, with what it was told, when the server has ended the connection */
  readonly closed: Promise<string>;
  send(text: string): void;
  /** Sends this byte by byte for as long as the connection lasts, over and over. */
  trickle(text: string): void;
}

/** How long a trickling client waits between two bytes. */
const BETWEEN_BYTES_MS = 20;

/** @param url of the server @param options `reads`: takes what it is told */
export async function connectTo(url: string, { reads = true } = {}): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  if (!reads) socket.pause();
  let text = "";
  if (reads) socket.setEncoding("latin1").on("data", (more: string) => (text += more));
  // A server that closes while bytes are on their way resets: an end like any other.
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return {
    socket,
    told: () => text,
    closed,
    send: (more) => void socket.write(more, "latin1"),
    trickle(more) {
      let next = 0;
      const timer = setInterval(() => socket.write(more[next++ % more.length] ?? "", "latin1"), BETWEEN_BYTES_MS);
      socket.once("close", () => clearInterval(timer));
    },
  };
}

/** @returns a request's head; it lacks the empty line that ends it */
export function head(method: string, path: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries({ host: "localhost", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}`;
}
