import { once } from "node:events";
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from "node:net";

/** In ms: of what goes out to the target, and of what comes back. */
export interface Delay {
  readonly out: number;
  readonly back: number;
}

/** Between one server and what it depends on: bytes can be late, stuck or lost, for this server alone. */
export interface Relay {
  readonly port: number;
  /** Every byte from now on is so much later, in its order. */
  delay(ms: Delay): void;
  /** Nothing passes and nobody is told; what is sent meanwhile arrives after `heal`, even if its sender is gone. */
  freeze(): void;
  /** Ends every connection, and every new one at once; what was on its way is lost. */
  cut(): void;
  /** As it was at first. */
  heal(): void;
  close(): Promise<void>;
}

type State = "open" | "frozen" | "cut";

/** @param distance how much later bytes arrive while nothing is wrong, in ms */
export async function startRelay(target: NetConnectOpts, distance: Delay): Promise<Relay> {
  let state: State = "open";
  let delays = distance;
  const pipes = new Set<Pipe>();
  const sockets = new Set<Socket>();

  const server = createServer((client) => {
    if (state === "cut") {
      client.destroy();
      return;
    }
    const outward = connect(target);
    const isFrozen = (): boolean => state === "frozen";
    const both = [
      new Pipe(client, outward, () => delays.out, isFrozen),
      new Pipe(outward, client, () => delays.back, isFrozen),
    ];
    for (const socket of [client, outward]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
    }
    for (const pipe of both) {
      pipes.add(pipe);
      pipe.onEnd(() => pipes.delete(pipe));
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = (): void => {
    state = "cut";
    for (const pipe of pipes) pipe.discard();
    // Not `resetAndDestroy`: a worker thread with a socket that was reset while it wrote may never end.
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    delay(ms) {
      delays = ms;
    },
    freeze() {
      if (state === "open") state = "frozen";
    },
    cut,
    heal() {
      state = "open";
      delays = distance;
      for (const pipe of pipes) pipe.pump();
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

/** One direction of one connection: chunks wait for their time, and the end of the stream behind them. */
class Pipe {
  readonly #to: Socket;
  readonly #isFrozen: () => boolean;
  readonly #waiting: { readonly chunk: Buffer | null; readonly dueAt: number }[] = [];
  #lastDueAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended: () => void = () => undefined;

  constructor(from: Socket, to: Socket, delayMs: () => number, isFrozen: () => boolean) {
    this.#to = to;
    this.#isFrozen = isFrozen;
    const add = (chunk: Buffer | null): void => {
      this.#lastDueAt = Math.max(performance.now() + delayMs(), this.#lastDueAt);
      this.#waiting.push({ chunk, dueAt: this.#lastDueAt });
      this.pump();
    };
    from.on("data", add);
    from.on("error", () => undefined); // `close` follows
    from.on("close", () => add(null));
  }

  onEnd(ended: () => void): void {
    this.#ended = ended;
  }

  /** Passes on what is due. */
  pump(): void {
    clearTimeout(this.#timer);
    if (this.#isFrozen()) return;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.#waiting.shift();
      if (next.chunk === null) {
        // What was passed on is still written out first.
        this.#to.end(() => this.#to.destroy());
        this.#ended();
      } else if (!this.#to.destroyed) this.#to.write(next.chunk);
    }
  }

  discard(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }
}
