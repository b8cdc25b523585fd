import { setTimeout as pause } from "node:timers/promises";
import { createClient, ErrorReply, RESP_TYPES } from "redis";
import type { Server } from "./url.ts";

/** One connection, from open to lost; never reconnected. */
export interface Session {
  send(args: readonly (string | Buffer)[]): Promise<unknown>;
  /**
   * Listens to channels, and ends that; never both at once. Resolves once nothing that is published is missed.
   *
   * @throws when the user may not listen to one of them
   */
  subscribe(channels: readonly string[], onMessage: (channel: string, payload: string) => void): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** rejects, once: the connection is gone, and every command without a reply has been rejected */
  readonly lost: Promise<never>;
  /** Asks what the server is. A server that may not be asked is `unknown`. */
  identify(): Promise<Identity>;
  close(): void;
}

export interface Identity {
  /** changes when the server restarts, and when it takes its data from another or becomes a master */
  readonly id: string;
  readonly isReplica: boolean;
  /** of Redis; Valkey tells the one that it can stand for */
  readonly version: string;
}

export interface SessionOptions {
  readonly tls: boolean;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: number;
  /** bounds connecting, TLS and the password together */
  readonly connectTimeoutMs: number;
}

/** What may wait for one connection, in replies or to be written: more would only wait for a server that hangs. */
const COMMANDS_MAX = 10_000;

/** @throws when the server could not be reached within `connectTimeoutMs`, or refused the user */
export async function openSession(server: Server, options: SessionOptions, signal: AbortSignal): Promise<Session> {
  const { tls, username, password, database, connectTimeoutMs } = options;
  // Ends the socket in every state: node-redis' own `destroy` misses one that is still connecting.
  const ending = new AbortController();
  const client = createClient({
    socket: {
      ...server,
      ...(tls && { tls }),
      connectTimeout: connectTimeoutMs,
      reconnectStrategy: false,
      signal: ending.signal,
    },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
    disableOfflineQueue: true,
    commandsQueueMaxLength: COMMANDS_MAX,
    // It would move waiting commands from one connection to another.
    maintNotifications: "disabled",
    // Deadlines are the caller's: node-redis' own would cost every command a timer.
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  const { promise: lost, reject } = Promise.withResolvers<never>();
  lost.catch(() => undefined);
  client.on("error", reject).on("end", () => reject(new Error("the connection was closed")));
  const close = (): void => {
    client.destroy();
    ending.abort();
  };
  const deadline = setTimeout(() => {
    reject(new Error(`no connection within ${connectTimeoutMs} ms`));
    close();
  }, connectTimeoutMs).unref();
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([client.connect(), lost]);
  } catch (error) {
    close();
    throw error;
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener("abort", close);
  }
  const send = (args: readonly (string | Buffer)[]): Promise<unknown> => client.sendCommand(args);
  return {
    send,
    // RESP3 carries messages and replies on one connection.
    subscribe: (channels, onMessage) =>
      client.subscribe([...channels], (payload, channel) => onMessage(channel, payload)),
    unsubscribe: (channels) => client.unsubscribe([...channels]),
    lost,
    identify: () => identify(send),
    close,
  };
}

/** @throws when there is no answer in time */
export async function answerWithin<Answer>(answer: Promise<Answer>, ms: number, signal: AbortSignal): Promise<Answer> {
  const silence = wait(ms, signal).then(() => {
    throw new Error(`no answer within ${ms} ms`);
  });
  return Promise.race([answer, silence]);
}

async function identify(send: Session["send"]): Promise<Identity> {
  try {
    const info = String(await send(["INFO", "server", "replication"]));
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
    return {
      id: `${field("run_id")} ${field("master_replid")}`,
      isReplica: field("role") === "slave",
      version: field("redis_version"),
    };
  } catch (error) {
    // Not allowed to this user, or unknown to a proxy: only a new connection will tell of a restart.
    if (error instanceof ErrorReply) return { id: "unknown", isReplica: false, version: "" };
    throw error;
  }
}

/** Waits without keeping the process alive. @throws when the signal ends it */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { ref: false, signal });
}
