import { connect } from "node:net";
import type pg from "pg";

/** https://www.postgresql.org/docs/current/protocol-message-formats.html: CancelRequest */
const CANCEL_REQUEST = 80_877_102;

/** What `pg` knows of a connection, and its types do not tell. */
interface Session {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/**
 * Asks PostgreSQL to end what runs on a connection, as Ctrl+C in psql does: by a connection of its own, without TLS, as
 * libpq does before version 17. A pooler passes it on. When it does not arrive, the client's own timeout gives the
 * connection up.
 */
export function cancelStatement(client: pg.PoolClient): void {
  const { host, port, processID, secretKey } = client as unknown as Session;
  if (processID === null || secretKey === null) return;
  const message = Buffer.alloc(16);
  for (const [index, part] of [16, CANCEL_REQUEST, processID, secretKey].entries())
    message.writeInt32BE(part, 4 * index);
  const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.on("error", () => undefined);
  // The other end closes. PgBouncer 1.18 itself ends ("bad client state") when whoever cancels is gone before it has
  // passed that on.
  socket.setKeepAlive(true).unref();
  socket.write(message);
  socket.resume();
}
