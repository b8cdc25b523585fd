import { once } from "node:events";
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from "node:net";

/** Between a client and a server: what passes can be slow, stop, or be cut. */
export interface TcpRelay {
  readonly port: number;
  /** connections open now */
  readonly connections: number;
  /** Nothing more is read from either side, so that a sender comes to feel it: as a network that stands still. */
  stall(): void;
  /** Both sides are read again. */
  resume(): void;
  /** From the server to each client, in bytes per second; null: as fast as it goes. */
  throttle(bytesPerSecond: number | null): void;
  /** Ends every connection; what was on its way is lost. New ones are served. */
  cut(): void;
  close(): Promise<void>;
}

/** The two lanes of one connection. */
export interface Lanes {
  readonly toServer: Lane;
  readonly toClient: Lane;
}

/** Told of what comes, in pieces as it came; what it does not write to a lane goes no further. */
export interface Inspector {
  readonly fromClient: (chunk: Buffer) => void;
  readonly fromServer: (chunk: Buffer) => void;
}

/** @param inspect called for each connection; without it everything passes */
export async function startTcpRelay(
  target: NetConnectOpts,
  inspect: (lanes: Lanes) => Inspector = passEverything,
): Promise<TcpRelay> {
  const open = new Set<Connection>();
  let stalled = false;
  let bytesPerSecond: number | null = null;

  const server = createServer((client) => {
    const connection = openConnection(client, connect(target), inspect);
    connection.toClient.bytesPerSecond = bytesPerSecond;
    if (stalled) connection.stall(true);
    open.add(connection);
    client.once("close", () => open.delete(connection));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = (): void => {
    for (const connection of open) connection.end();
  };
  const stall = (now: boolean): void => {
    stalled = now;
    for (const connection of open) connection.stall(now);
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return open.size;
    },
    stall: () => stall(true),
    resume: () => stall(false),
    throttle(limit) {
      bytesPerSecond = limit;
      for (const { toClient } of open) toClient.bytesPerSecond = limit;
    },
    cut,
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

interface Connection extends Lanes {
  stall(stalled: boolean): void;
  end(): void;
}

function openConnection(client: Socket, server: Socket, inspect: (lanes: Lanes) => Inspector): Connection {
  const toServer = new Lane(client, server);
  const toClient = new Lane(server, client);
  const lanes = { toServer, toClient };
  const end = (): void => {
    client.destroy();
    server.destroy();
  };
  for (const [socket, lane, other] of [
    [client, toServer, server],
    [server, toClient, client],
  ] as const) {
    socket.setNoDelay(true);
    socket.on("error", () => undefined); // `close` follows
    socket.on("close", () => {
      lane.discard();
      // What was passed on is still written out first.
      other.end(() => other.destroy());
    });
  }
  const { fromClient, fromServer } = inspect(lanes);
  client.on("data", fromClient);
  server.on("data", fromServer);
  const stall = (stalled: boolean): void => {
    for (const lane of [toServer, toClient]) lane.pauseFor("stalled", stalled);
  };
  return { ...lanes, stall, end };
}

function passEverything({ toServer, toClient }: Lanes): Inspector {
  return { fromClient: (chunk) => toServer.write(chunk), fromServer: (chunk) => toClient.write(chunk) };
}

/** One direction of one connection. */
export class Lane {
  /** null: as fast as it goes */
  bytesPerSecond: number | null = null;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #pausedFor = new Set<string>();
  #held: Buffer[] | null = null;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  write(bytes: Buffer): void {
    if (this.#held) this.#held.push(bytes);
    else this.#pass(bytes);
  }

  /** Keeps what is written from now on. */
  hold(): void {
    this.#held ??= [];
  }

  /** Lets what was kept go on, and everything after it. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const bytes of held) this.#pass(bytes);
  }

  /** Whoever sent what is held is dead: it never arrives. */
  discard(): void {
    if (this.#held) this.#held = [];
  }

  pauseFor(reason: string, paused: boolean): void {
    if (paused) this.#pausedFor.add(reason);
    else this.#pausedFor.delete(reason);
    if (this.#pausedFor.size > 0) this.#from.pause();
    else this.#from.resume();
  }

  #pass(bytes: Buffer): void {
    if (this.#to.destroyed) return;
    if (!this.#to.write(bytes)) {
      this.pauseFor("full", true);
      this.#to.once("drain", () => this.pauseFor("full", false));
    }
    if (this.bytesPerSecond !== null) {
      this.pauseFor("throttled", true);
      setTimeout(() => this.pauseFor("throttled", false), (bytes.length / this.bytesPerSecond) * 1_000).unref();
    }
  }
}
