import pg from "pg";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import { type MessageDigest, messageHash } from "./message-digest.ts";

export interface GuideConversation {
  readonly id: string;
  readonly userEmail: string;
  readonly title: string;
  readonly createdAt: Date;
}

export interface GuideMessage {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly tokensUsed: number | null;
  readonly latencyMs: number | null;
  readonly createdAt: Date;
}

/**
 * The tables `Conversation` and `Message` as Prisma makes them of the guide's schema, in one snapshot: what is written
 * meanwhile is not seen. Nothing is locked or written. Every method throws `database_unavailable`.
 */
export interface GuideTables {
  countMessages(): Promise<number>;
  /** In the order of their ids, from behind one on. */
  conversationsAfter(id: string | null, limit: number): Promise<readonly GuideConversation[]>;
  /** of those conversations that have messages */
  digests(conversationIds: readonly string[]): Promise<ReadonlyMap<string, MessageDigest>>;
  /** In the order of their times and ids, read as they are asked for. */
  messagesOf(conversationId: string): AsyncGenerator<GuideMessage>;
  /** Each message's hash, by its id. */
  hashesOf(conversationId: string): AsyncGenerator<ReadonlyMap<string, string>>;
  close(): Promise<void>;
}

const MESSAGES_A_READ = 500;
const CONNECT_TIMEOUT_MS = 10_000;
/** Of Prisma's own, which PostgreSQL and `pg` do not know: https://www.prisma.io/docs/orm/overview/databases/postgresql */
const PRISMAS_PARAMETERS = [
  "schema",
  "connection_limit",
  "pool_timeout",
  "connect_timeout",
  "socket_timeout",
  "statement_cache_size",
  "pgbouncer",
  "sslidentity",
  "sslpassword",
  "sslaccept",
];
const COLUMNS = {
  Conversation: ["id", "user_email", "title", "created_at"],
  Message: ["id", "conversation_id", "role", "content", "tokens_used", "latency_ms", "created_at"],
};

/**
 * @param url as Prisma has it: `schema` is the schema, by default public
 * @throws {BackscrollError} invalid_request: it is no such address, or the tables are not there; database_unavailable
 */
export async function openGuideTables(url: string): Promise<GuideTables> {
  const { connectionString, schema } = addressOf(url);
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: "backscroll import guide",
  });
  client.on("error", () => undefined); // the statement under way tells
  const query = async <Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> => {
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } catch (error) {
      throw unavailable(error);
    }
  };
  try {
    await client.connect().catch((error: unknown) => {
      throw unavailable(error);
    });
    await query("begin transaction isolation level repeatable read, read only");
    const types = await columnTypes(query, schema);
    return readTables(query, { schema, types, close: () => client.end() });
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

type Query = <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
type Types = ReadonlyMap<string, string>;

function addressOf(url: string): { connectionString: string; schema: string } {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new BackscrollError(
      "invalid_request",
      "--from must be an address as postgresql://user:password@host:5432/database",
    );
  }
  const address = new URL(url);
  const schema = address.searchParams.get("schema") ?? "public";
  for (const name of PRISMAS_PARAMETERS) address.searchParams.delete(name);
  return { connectionString: address.href, schema };
}

function unavailable(error: unknown): BackscrollError {
  return new BackscrollError("database_unavailable", `the guide's database: ${errorMessage(error)}`);
}

/** @returns `Table.column` → its type @throws {BackscrollError} invalid_request, with what is missing */
async function columnTypes(query: Query, schema: string): Promise<Types> {
  const rows = await query<{ schema: string; table: string; column: string; type: string }>(
    `select n.nspname as schema, c.relname as table, a.attname as column, format_type(a.atttypid, null) as type
       from pg_class as c
       join pg_namespace as n on n.oid = c.relnamespace
       join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relname = any($1) and c.relkind in ('r', 'p', 'v')`,
    [Object.keys(COLUMNS)],
  );
  const types: Types = new Map<string, string>(
    rows.filter((row) => row.schema === schema).map(({ table, column, type }) => [`${table}.${column}`, type] as const),
  );
  const wanted = Object.entries(COLUMNS).flatMap(([table, columns]) => columns.map((column) => `${table}.${column}`));
  const missing = wanted.filter((column) => !types.has(column));
  if (types.size === 0) {
    const elsewhere = [...new Set(rows.map((row) => row.schema))];
    const hint = elsewhere.length > 0 ? `; they are in ${elsewhere.join(", ")}: add ?schema=${elsewhere[0]}` : "";
    throw new BackscrollError(
      "invalid_request",
      `no tables "Conversation" and "Message" in the schema ${schema}${hint}`,
    );
  }
  if (missing.length > 0) {
    throw new BackscrollError("invalid_request", `these are not the guide's tables: ${missing.join(", ")} is missing`);
  }
  return types;
}

function readTables(
  query: Query,
  { schema, types, close }: { schema: string; types: Types; close: () => Promise<void> },
): GuideTables {
  const table = (name: string): string => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
  // Prisma's times have no zone, and are UTC.
  const time = (column: string): string =>
    types.get(column) === "timestamp without time zone" ? "created_at at time zone 'UTC'" : "created_at";
  const messageTime = types.get("Message.created_at") ?? "";
  const hash = messageHash({
    id: "id::text",
    role: "role::text",
    content: "content::text",
    tokensUsed: "tokens_used::text",
    latencyMs: "latency_ms::text",
  });

  /** @param columns beside `id` and `place` @yields batches in the order of times and ids */
  async function* batchesOf<Row extends { id: string; place: string }>(
    conversationId: string,
    columns: string,
  ): AsyncGenerator<readonly Row[]> {
    let last: Row | undefined;
    for (;;) {
      const rows: Row[] = await query<Row>(
        `select id::text as id, created_at::text as place, ${columns}
           from ${table("Message")}
          where conversation_id::text = $1
            ${last ? `and (created_at, id::text collate "C") > ($3::${messageTime}, $4)` : ""}
          order by created_at, id::text collate "C" limit $2`,
        [conversationId, MESSAGES_A_READ, ...(last ? [last.place, last.id] : [])],
      );
      if (rows.length > 0) yield rows;
      if (rows.length < MESSAGES_A_READ) return;
      last = rows.at(-1);
    }
  }

  return {
    async countMessages() {
      const [row] = await query<{ count: string }>(`select count(*) from ${table("Message")}`);
      return Number(row?.count ?? 0);
    },
    async conversationsAfter(id, limit) {
      const rows = await query<{ id: string; user_email: string; title: string; created_at: Date }>(
        `select id::text as id, user_email, title, ${time("Conversation.created_at")} as created_at
           from ${table("Conversation")}
          ${id === null ? "" : "where id::text > $2"} order by id::text limit $1`,
        id === null ? [limit] : [limit, id],
      );
      return rows.map(({ user_email, created_at, ...row }) => ({
        ...row,
        userEmail: user_email,
        createdAt: created_at,
      }));
    },
    async digests(conversationIds) {
      const rows = await query<{ id: string } & MessageDigest>(
        `select conversation_id::text as id, count(*)::int as messages, sum(${hash})::text as sum
           from ${table("Message")} where conversation_id::text = any($1) group by conversation_id`,
        [conversationIds],
      );
      return new Map(rows.map(({ id, ...digest }) => [id, digest]));
    },
    async *messagesOf(conversationId) {
      const columns = `role, content, tokens_used, latency_ms, ${time("Message.created_at")} as created_at`;
      for await (const rows of batchesOf<MessageRow>(conversationId, columns)) {
        for (const { tokens_used, latency_ms, created_at, id, role, content } of rows) {
          yield { id, role, content, tokensUsed: tokens_used, latencyMs: latency_ms, createdAt: created_at };
        }
      }
    },
    async *hashesOf(conversationId) {
      for await (const rows of batchesOf<{ id: string; place: string; hash: string }>(
        conversationId,
        `${hash} as hash`,
      )) {
        yield new Map(rows.map((row) => [row.id, row.hash]));
      }
    },
    close,
  };
}

interface MessageRow {
  id: string;
  place: string;
  role: string;
  content: string;
  tokens_used: number | null;
  latency_ms: number | null;
  created_at: Date;
}
