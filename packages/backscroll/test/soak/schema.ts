import pg from "pg";
import { migrate } from "../../src/postgres/migrate.ts";
import { recordHistory } from "./true-history.ts";

/** A schema of one seed's own, whose conversations' states are all written down. */
export interface Schema {
  readonly databaseUrl: string;
  /** as in the names of the cache's keys */
  readonly databaseId: string;
  /** straight to PostgreSQL */
  readonly client: pg.Client;
  /** @returns everybody's number by name */
  users(): Promise<ReadonlyMap<string, number>>;
  drop(): Promise<void>;
}

export async function createSchema(server: string, seed: number): Promise<Schema> {
  const schema = `soak_${process.pid}_${seed}_${Date.now().toString(36)}`;
  const url = new URL(server);
  url.searchParams.set("options", `-c search_path=${schema}`);
  const databaseUrl = url.href.replaceAll("+", "%20");
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`create schema ${schema}`);
  await migrate(databaseUrl);
  await recordHistory(client);
  const { rows } = await client.query<{ database_id: string }>("select database_id from installation");
  return {
    databaseUrl,
    client,
    databaseId: rows[0]?.database_id ?? "",
    async users() {
      const found = await client.query<{ id: string; subject: string }>("select id, subject from users");
      return new Map(found.rows.map(({ id, subject }) => [subject, Number(id)]));
    },
    async drop() {
      await client.query(`drop schema ${schema} cascade`);
      await client.end();
    },
  };
}
