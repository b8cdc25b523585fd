import { errorMessage } from "../../domain/errors.ts";
import { answerWithin, type Identity, openSession, type Session, type SessionOptions, wait } from "./session.ts";
import type { Server } from "./url.ts";

/** What holds for every connection of one link. */
export interface ConnectionSettings extends SessionOptions {
  /** how often the server is asked whether it is still the same; one that does not answer for as long is left */
  readonly checkIntervalMs: number;
  readonly onError: (error: Error) => void;
}

export interface ConnectionOptions extends ConnectionSettings {
  /** @returns the server to connect to now; asked before each attempt and at each check */
  readonly locate: (signal: AbortSignal) => Promise<Server>;
  /** a replica is not connected to, and one that became a replica is left */
  readonly mastersOnly: boolean;
  /** told of every new connection, as soon as anything can be sent on it */
  readonly onOpen?: (session: Session) => void;
  readonly onLost?: () => void;
}

export const RETRY_MS_MIN = 50;
export const RETRY_MS_MAX = 1_000;
/** A fault that stays is told again so often. */
const TELL_AGAIN_MS = 60_000;
const FAULTS_REMEMBERED = 100;
/** `SET` with `NX` and `GET`, `PEXPIRE` with `GT`. */
export const VERSION_MIN = 7;

/**
 * Connects to one server in the background, again and again; each connection is a new incarnation. node-redis' own
 * reconnecting is off: a session that is lost is lost with all its commands, and another begins with none.
 */
export class Connection {
  /** resolves once it has been connected for the first time */
  readonly opened: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #tell: (error: unknown) => void;
  readonly #resolveOpened: () => void;
  #server: Server | null = null;
  #session: Session | null = null;
  #incarnation: object = {};
  /** ends what is under way: an attempt, a session, or the pause between two */
  #step = new AbortController();
  #closed = false;

  constructor(options: ConnectionOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.opened = promise;
    this.#resolveOpened = resolve;
    this.#options = options;
    this.#tell = tellOnce(options.onError);
    void this.#run();
  }

  /** the server it is connected to, or was last; null before the first */
  get server(): Server | null {
    return this.#server;
  }

  /** @see CacheNode.incarnation */
  get incarnation(): object {
    return this.#incarnation;
  }

  get isOpen(): boolean {
    return this.#session !== null;
  }

  /** Refused at once while there is no connection; never sent twice. */
  send(args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#session ? this.#session.send(args) : Promise.reject(new Error("not connected to Redis"));
  }

  close(): void {
    this.#closed = true;
    this.#step.abort();
    this.#session?.close();
    this.#session = null;
  }

  async #run(): Promise<void> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      const incarnationBefore = this.#incarnation;
      await this.#attempt(this.#step.signal);
      this.#step.abort();
      if (this.#closed) return;
      if (this.#incarnation !== incarnationBefore) {
        delayMs = RETRY_MS_MIN;
        this.#options.onLost?.();
      }
      this.#step = new AbortController();
      await wait(delayMs, this.#step.signal).catch(() => undefined);
      if (this.#closed) return;
    }
  }

  /** Never rejects: why it ended is told. */
  async #attempt(signal: AbortSignal): Promise<void> {
    let server: Server | undefined;
    try {
      server = await this.#options.locate(signal);
      await this.#hold(server, signal);
    } catch (error) {
      if (this.#closed) return;
      this.#tell(server ? new Error(`${nameOf(server)}: ${errorMessage(error)}`, { cause: error }) : error);
    }
  }

  /** Connects once. @throws when that fails, or the connection is lost */
  async #hold(server: Server, signal: AbortSignal): Promise<void> {
    const session = await openSession(server, this.#options, signal);
    try {
      const identity = await answerWithin(session.identify(), this.#options.connectTimeoutMs, signal);
      this.#refuseUnfit(identity);
      signal.throwIfAborted();
      // At once: nothing can be sent to the new server under the old incarnation.
      this.#server = server;
      this.#session = session;
      this.#incarnation = {};
      this.#resolveOpened();
      this.#tell(null);
      this.#options.onOpen?.(session);
      await Promise.race([session.lost, this.#check(session, server, identity, signal)]);
    } finally {
      this.#session = null;
      session.close();
    }
  }

  /** @throws when the server does not answer, or is not the one to use any more */
  async #check(session: Session, server: Server, identity: Identity, signal: AbortSignal): Promise<void> {
    const { checkIntervalMs, locate } = this.#options;
    for (let last = identity; ;) {
      await wait(checkIntervalMs, signal);
      const now = await answerWithin(session.identify(), checkIntervalMs, signal);
      this.#refuseUnfit(now);
      // Behind a proxy a connection outlives its server.
      if (now.id !== last.id) this.#incarnation = {};
      last = now;
      const located = await locate(signal).catch((error: unknown) => {
        this.#tell(error);
        return server;
      });
      if (nameOf(located) !== nameOf(server)) throw new Error(`the master is now ${nameOf(located)}`);
    }
  }

  #refuseUnfit({ isReplica, version }: Identity): void {
    if (this.#options.mastersOnly && isReplica) throw new Error("the server is a replica");
    if (Number.parseInt(version, 10) < VERSION_MIN) {
      throw new Error(`Redis ${version} is too old: ${VERSION_MIN}.0 or later is needed`);
    }
  }
}

/** A server's name; of a cluster's nodes, as MOVED writes it. */
export function nameOf({ host, port }: Server): string {
  return `${host}:${port}`;
}

/** Tells the first of many like errors; null: it is mended. */
export function tellOnce(onError: (error: Error) => void): (error: unknown) => void {
  const toldAt = new Map<string, number>();
  return (error) => {
    if (error === null) {
      toldAt.clear();
      return;
    }
    const told = error instanceof Error ? error : new Error(errorMessage(error));
    const now = performance.now();
    if (now - (toldAt.get(told.message) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return;
    if (toldAt.size >= FAULTS_REMEMBERED) toldAt.clear();
    toldAt.set(told.message, now);
    onError(told);
  };
}
