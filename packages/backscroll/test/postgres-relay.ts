import pg from "pg";
import { type Inspector, type Lane, type Lanes, startTcpRelay } from "./tcp-relay.ts";

/** Between one server and PostgreSQL: a prepared statement can be stopped before it runs, or its answer after it has. */
export interface PostgresRelay {
  /** the same database, through the relay */
  readonly databaseUrl: string;
  /** what was sent so often, by its name; without one, by its text */
  readonly statements: ReadonlyMap<string, StatementCount>;
  /** The next statement of this name waits: nothing of it has happened. */
  holdStatement(name: string): HeldStatement;
  /** The next statement of this name runs and commits; its answer waits. */
  holdAnswer(name: string): HeldStatement;
  close(): Promise<void>;
}

export interface StatementCount {
  readonly times: number;
  /** false: it only reads, and its commit writes nothing */
  readonly writes: boolean;
}

interface HeldStatement {
  /** resolves when it waits */
  readonly came: Promise<void>;
  /** Lets it go on. */
  release(): void;
}

interface Hold {
  readonly name: string;
  readonly kind: "statement" | "answer";
  readonly came: () => void;
  /** what waits, once it does */
  lane?: Lane;
}

export async function startPostgresRelay(databaseUrl: string): Promise<PostgresRelay> {
  const { host, port } = new pg.Client({ connectionString: databaseUrl });
  const statements = new Map<string, StatementCount>();
  const holds = new Set<Hold>();

  const count = (name: string, sql: string): void => {
    const key = name === "" ? sql : name;
    const writes = /\b(insert into|update|delete from|pg_notify)\b/.test(sql);
    statements.set(key, { times: (statements.get(key)?.times ?? 0) + 1, writes });
  };
  const inspect = ({ toServer, toClient }: Lanes): Inspector => {
    /** their text by name; "" is the name of those without one */
    const prepared = new Map<string, string>();
    let answering: Hold | undefined;

    const onStatement = (name: string): void => {
      const hold = [...holds].find((each) => each.name === name && each.lane === undefined);
      if (!hold) return;
      hold.lane = hold.kind === "statement" ? toServer : toClient;
      hold.lane.hold();
      if (hold.kind === "statement") hold.came();
      else answering = hold;
    };
    const fromClient = splitMessages({ startup: true }, ({ type, body, bytes }) => {
      if (type === "Q") count("", strings(body, 1)[0] ?? "");
      const named = type === "P" ? strings(body, 2) : type === "B" ? strings(body, 2).toReversed() : undefined;
      const [name = "", sql = ""] = named ?? [];
      if (type === "P") prepared.set(name, sql.trim());
      // A connection parses a statement once, and binds it each time; whichever comes first is where it waits.
      if (named && name !== "" && !toServer.isHeld && !toClient.isHeld) onStatement(name);
      if (type === "B") count(name, prepared.get(name) ?? "");
      toServer.write(bytes);
    });
    const fromServer = splitMessages({ startup: false }, ({ type, bytes }) => {
      toClient.write(bytes);
      // ReadyForQuery: it has committed.
      if (type === "Z" && answering) {
        answering.came();
        answering = undefined;
      }
    });
    return { fromClient, fromServer };
  };

  const relay = await startTcpRelay(
    host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port },
    inspect,
  );
  const hold = (name: string, kind: Hold["kind"]): HeldStatement => {
    const { promise: came, resolve } = Promise.withResolvers<void>();
    const own: Hold = { name, kind, came: resolve };
    holds.add(own);
    return {
      came,
      release() {
        holds.delete(own);
        own.lane?.release();
      },
    };
  };
  return {
    databaseUrl: through(relay.port, databaseUrl),
    statements,
    holdStatement: (name) => hold(name, "statement"),
    holdAnswer: (name) => hold(name, "answer"),
    close: () => relay.close(),
  };
}

/** The same database through a port; a Unix socket becomes one. */
function through(port: number, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.port = String(port);
  url.searchParams.set("host", "127.0.0.1");
  return url.href.replaceAll("+", "%20");
}

/** One message of https://www.postgresql.org/docs/current/protocol-message-formats.html */
interface WireMessage {
  /** "" of the first one, which has none */
  readonly type: string;
  readonly body: Buffer;
  /** all of it */
  readonly bytes: Buffer;
}

/** @param startup whether the first message has no type: what a client says */
function splitMessages(
  { startup }: { startup: boolean },
  take: (message: WireMessage) => void,
): (chunk: Buffer) => void {
  let unread: Buffer = Buffer.alloc(0);
  let typeBytes = startup ? 0 : 1;
  return (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    while (unread.length >= typeBytes + 4) {
      const size = typeBytes + unread.readInt32BE(typeBytes);
      if (unread.length < size) return;
      const bytes = unread.subarray(0, size);
      unread = unread.subarray(size);
      take({ type: bytes.toString("latin1", 0, typeBytes), body: bytes.subarray(typeBytes + 4), bytes });
      typeBytes = 1;
    }
  };
}

/** @returns the zero-terminated strings that a message begins with */
function strings(body: Buffer, count: number): string[] {
  const found: string[] = [];
  for (let from = 0; found.length < count;) {
    const to = body.indexOf(0, from);
    if (to === -1) break;
    found.push(body.toString("utf8", from, to));
    from = to + 1;
  }
  return found;
}
