import { randomUUID } from "node:crypto";
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import type { Database } from "./pool.ts";

/** Servers tell each other, through PostgreSQL, of conversations whose cache entry may be wrong. */
export interface Announcements {
  /**
   * Tells every other server. Resolves once PostgreSQL has committed it; when it rejects, they may have been told.
   *
   * @throws {BackscrollError} database_unavailable; shutting_down after `close`
   */
  announce(at: ConversationRef): Promise<void>;
  /** Sends what waits, then disconnects. */
  close(): Promise<void>;
}

export interface AnnouncementOptions {
  readonly connectionString: string;
  /** the channel's name carries it: databases on one server, and schemas of one database, never hear each other */
  readonly databaseId: string;
  /** another server announced this conversation; never one's own announcements */
  readonly onAnnounced: (at: ConversationRef) => void;
  /**
   * After that: the database announced it, since it was written past all servers.
   *
   * @param isFirst of the servers that hear it, this is the one that acts for all; the same one while it listens
   */
  readonly onWrittenPast?: (at: ConversationRef, isFirst: boolean) => void;
  /**
   * True: from now on nothing is missed. False: announcements may have been missed since the last sign of life.
   * At first it is false.
   */
  readonly onListening: (listening: boolean) => void;
  /** for the log; a failure that repeats is told once */
  readonly onError: (error: Error) => void;
  readonly heartbeatMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const BACKOFF_MS = { first: 50, max: 1_000 };

/**
 * Connects in the background, and again for ever: it never throws and never waits.
 *
 * The first heartbeat travels the way an announcement does, from the pool to the listening connection: it finds a
 * pooler that does not pass notifications on. The next ones go from that connection to itself, and find it dead
 * without a word. As long as they arrive, so did all that was announced before: notifications come in the order of
 * their commits.
 */
export function openAnnouncements(db: Database, options: AnnouncementOptions): Announcements {
  const channel = `backscroll_${options.databaseId.replaceAll("-", "")}`;
  const serverId = randomUUID();
  const notify = (payloads: readonly string[]): Promise<void> => insertNotifications(db, channel, payloads);
  const send = gather(notify);
  const closing = new AbortController();
  const pending = new Set<Promise<void>>();
  const listening = keepListening(options, closing.signal, {
    channel,
    ping: (payload) => notify([payload]),
    onPayload(payload, isFirst) {
      const [, from, userId, id] = ANNOUNCEMENT.exec(payload) ?? [];
      if (from === serverId || payload.startsWith(PING)) return;
      if (id === undefined) {
        options.onError(new Error(`ignored a NOTIFY on ${channel} that is not Backscroll's`));
        return;
      }
      const at = { userId: Number(userId), id };
      options.onAnnounced(at);
      const { onWrittenPast } = options;
      if (from !== NOBODY || !onWrittenPast) return;
      // Otherwise its connection is lost, and told of: another server is first then.
      isFirst().then((first) => onWrittenPast(at, first), ignored);
    },
  });
  return {
    announce(at) {
      if (closing.signal.aborted) {
        return Promise.reject(new BackscrollError("shutting_down", "this server does not announce any more"));
      }
      const sent = send(`${serverId} ${at.userId}:${at.id}`);
      pending.add(sent);
      const settled = (): void => void pending.delete(sent);
      sent.then(settled, settled);
      return sent;
    },
    async close() {
      closing.abort();
      await Promise.allSettled([listening, ...pending]);
    },
  };
}

const PING = "ping ";
/** Who announces what was written past all servers: `announce_past_service` in `schema.sql`. */
const NOBODY = "00000000-0000-0000-0000-000000000000";
/** What was announced is a conversation, or a session that is cached like one. */
const ANNOUNCEMENT = /^([0-9a-f-]{36}) (\d{1,16}):((?:session:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

async function insertNotifications(db: Database, channel: string, payloads: readonly string[]): Promise<void> {
  await db.query({
    name: "announce",
    text: "select pg_notify($1, payload) from unnest($2::text[]) as payload",
    values: [channel, payloads],
  });
}

/**
 * While one statement is under way, what comes gathers and goes with the next: PostgreSQL commits notifications one
 * transaction at a time, whichever database they are for.
 *
 * @returns sends a payload; resolves after the commit that holds it
 */
function gather(send: (payloads: readonly string[]) => Promise<void>): (payload: string) => Promise<void> {
  let next: { readonly payloads: Set<string>; readonly sent: Promise<void> } | undefined;
  let underWay: Promise<void> = Promise.resolve();
  return (payload) => {
    if (next === undefined) {
      const payloads = new Set<string>();
      const sent = underWay.then(() => {
        next = undefined;
        return send([...payloads]);
      });
      next = { payloads, sent };
      underWay = sent.catch(() => undefined); // its own callers are told
    }
    next.payloads.add(payload);
    return next.sent;
  };
}

interface Line {
  readonly channel: string;
  readonly ping: (payload: string) => Promise<void>;
  /** @param isFirst whether this connection is the first of all that listen; rejects when it is lost */
  readonly onPayload: (payload: string, isFirst: () => Promise<boolean>) => void;
}

function ignored(): void {}

/** Resolves once `closing` is aborted and the connection is gone. */
async function keepListening(options: AnnouncementOptions, closing: AbortSignal, line: Line): Promise<void> {
  let backoffMs = BACKOFF_MS.first;
  const told = new Set<string>();
  while (!closing.aborted) {
    const { error, heard } = await listenOnce(options, closing, line);
    if (closing.aborted) return;
    if (heard) {
      backoffMs = BACKOFF_MS.first;
      told.clear();
    }
    if (!told.has(error.message)) options.onError(error);
    told.add(error.message);
    await delay(backoffMs, undefined, { signal: closing }).catch(() => undefined);
    backoffMs = Math.min(backoffMs * 2, BACKOFF_MS.max);
  }
}

/** @returns why the connection was given up, and whether a heartbeat had ever come back */
function listenOnce(
  { connectionString, heartbeatMs = 5_000, onListening }: AnnouncementOptions,
  closing: AbortSignal,
  { channel, ping, onPayload }: Line,
): Promise<{ error: Error; heard: boolean }> {
  return new Promise((resolve) => {
    // Ours, to be destroyed at once: a PostgreSQL that is frozen or unreachable does not answer a goodbye.
    const socket = new Socket();
    const client = new pg.Client({
      connectionString,
      stream: () => socket,
      application_name: "backscroll announcements",
      keepAlive: true,
    });
    let over = false;
    let heard = false;
    let expected: string | undefined;
    let timer = setTimeout(() => lose("no connection in time"), CONNECT_TIMEOUT_MS);

    const lose = (reason: unknown): void => {
      if (over) return;
      over = true;
      if (heard) onListening(false);
      clearTimeout(timer);
      closing.removeEventListener("abort", close);
      socket.destroy();
      resolve({ error: new Error(`announcements are not heard: ${errorMessage(reason)}`, { cause: reason }), heard });
    };
    const close = (): void => lose("closing");
    // Held by the session until it ends; then whoever asks next has it.
    let first: Promise<boolean> | undefined;
    const isFirst = (): Promise<boolean> =>
      (first ??= client
        .query<{ first: boolean }>("select pg_try_advisory_lock(hashtext('backscroll first'), hashtext($1)) as first", [
          channel,
        ])
        .then(({ rows: [row] }) => {
          if (row?.first !== true) first = undefined;
          return row?.first === true;
        }));
    const beat = (): void => {
      let committed = false;
      const payload = `${PING}${randomUUID()}`;
      expected = payload;
      timer = setTimeout(
        () => lose(!committed ? "no heartbeat in time" : heard ? WENT_SILENT : NEVER_HEARD),
        heartbeatMs,
      );
      // The first comes the way announcements do, from the pool. Later ones ask only whether this connection lives: a
      // pool without a free connection must not make everything bypass the cache, and PostgreSQL even busier.
      const sent = heard
        ? client.query("select pg_notify($1, $2)", [channel, payload]).then(() => undefined)
        : ping(payload);
      sent.then(() => (committed = true), lose);
    };

    closing.addEventListener("abort", close);
    client.on("error", lose); // an end too, since it is never asked for one
    client.on("notification", ({ payload = "" }) => {
      if (over) return;
      if (payload !== expected) return onPayload(payload, isFirst);
      expected = undefined;
      clearTimeout(timer);
      timer = setTimeout(beat, heartbeatMs);
      if (!heard) {
        heard = true;
        onListening(true);
      }
    });
    const begin = async (): Promise<void> => {
      await client.connect();
      // A connection that only listens is idle to PostgreSQL.
      await client.query(`set idle_session_timeout = 0; listen ${pg.escapeIdentifier(channel)}`);
      if (over) return;
      clearTimeout(timer);
      beat();
    };
    begin().catch(lose);
  });
}

const WENT_SILENT = "a heartbeat was sent, and did not arrive";
const NEVER_HEARD =
  "they are sent, and do not arrive: LISTEN does not survive a pooler in transaction mode. Set DATABASE_DIRECT_URL to " +
  "the same database past it";
