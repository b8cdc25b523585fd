import { errorMessage } from "../../domain/errors.ts";
import { answerWithin, type Identity, openSession, type Session, type SessionOptions, wait } from "./session.ts";
import type { Server } from "./url.ts";

/** One server of Redis, connected to for ever. */
export interface Connection {
  /** the server it is connected to, or was last; null before the first */
  readonly server: Server | null;
  /** @see CacheNode.incarnation */
  readonly incarnation: object;
  readonly isOpen: boolean;
  /** resolves once it has been connected for the first time */
  readonly opened: Promise<void>;
  /** Refused at once while there is no connection; never sent twice. */
  readonly send: (args: readonly (string | Buffer)[]) => Promise<unknown>;
  close(): void;
}

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
  readonly onLost?: () => void;
}

export const RETRY_MS_MIN = 50;
export const RETRY_MS_MAX = 1_000;
/** A fault that stays is told again so often. */
const TELL_AGAIN_MS = 60_000;

/** Connects in the background, again and again; each connection is a new incarnation. */
export function keepConnected(options: ConnectionOptions): Connection {
  const { locate, connectTimeoutMs, checkIntervalMs, onLost } = options;
  const tell = tellOnce(options.onError);
  const opened = Promise.withResolvers<void>();
  let server: Server | null = null;
  let session: Session | null = null;
  let incarnation = {};
  let closed = false;
  let step = new AbortController();

  /** Connects once. @throws when that fails, or the connection is lost */
  const hold = async (located: Server, signal: AbortSignal): Promise<void> => {
    const opening = await openSession(located, options, signal);
    try {
      const identity = await answerWithin(opening.identify(), connectTimeoutMs, signal);
      refuseReplica(identity);
      signal.throwIfAborted();
      // At once: nothing can be sent to the new server under the old incarnation.
      [server, session, incarnation] = [located, opening, {}];
      opened.resolve();
      tell(null);
      await Promise.race([opening.lost, check(opening, located, identity, signal)]);
    } finally {
      session = null;
      opening.close();
    }
  };

  /** @throws when the server does not answer, or is not the one to use any more */
  const check = async (held: Session, located: Server, first: Identity, signal: AbortSignal): Promise<void> => {
    for (let identity = first; ;) {
      await wait(checkIntervalMs, signal);
      const now = await answerWithin(held.identify(), checkIntervalMs, signal);
      refuseReplica(now);
      // Behind a proxy a connection outlives its server.
      if (now.id !== identity.id) [identity, incarnation] = [now, {}];
      const { host, port } = await locate(signal).catch((error: unknown) => {
        tell(error);
        return located;
      });
      if (host !== located.host || port !== located.port) throw new Error(`the master is now ${host}:${port}`);
    }
  };

  const refuseReplica = ({ isReplica }: Identity): void => {
    if (options.mastersOnly && isReplica) throw new Error("the server is a replica");
  };

  const run = async (): Promise<void> => {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      const before = incarnation;
      let located: Server | undefined;
      try {
        located = await locate(step.signal);
        await hold(located, step.signal);
      } catch (error) {
        if (!closed) tell(located ? new Error(`${nameOf(located)}: ${errorMessage(error)}`, { cause: error }) : error);
      }
      step.abort();
      if (closed) return;
      if (incarnation !== before) {
        delayMs = RETRY_MS_MIN;
        onLost?.();
      }
      step = new AbortController();
      await wait(delayMs, step.signal).catch(() => undefined);
      if (closed) return;
    }
  };
  void run();

  return {
    get server() {
      return server;
    },
    get incarnation() {
      return incarnation;
    },
    get isOpen() {
      return session !== null;
    },
    opened: opened.promise,
    send(args) {
      return session ? session.send(args) : Promise.reject(new Error("not connected to Redis"));
    },
    close() {
      closed = true;
      step.abort();
      session?.close();
      session = null;
    },
  };
}

/** A server's name; of a cluster's nodes, as MOVED writes it. */
export function nameOf({ host, port }: Server): string {
  return `${host}:${port}`;
}

/** Tells the first of many like errors; null: it is mended. */
export function tellOnce(onError: (error: Error) => void): (error: unknown) => void {
  let last: { message: string; at: number } | null = null;
  return (error) => {
    if (error === null) {
      last = null;
      return;
    }
    const told = error instanceof Error ? error : new Error(errorMessage(error));
    const at = performance.now();
    if (last?.message === told.message && at - last.at < TELL_AGAIN_MS) return;
    last = { message: told.message, at };
    onError(told);
  };
}
