import type { Queryable } from "./pool.ts";

/** What is this database's (or schema's) own, made with its tables. */
interface Installation {
  /** tells it from every other */
  readonly databaseId: string;
  /** 32 bytes, for its own HMACs */
  readonly secret: Buffer;
}

export async function findInstallation(db: Queryable): Promise<Installation> {
  const [row] = await db.query<{ database_id: string; secret: Buffer }>({
    name: "find_installation",
    text: "select database_id, secret from installation",
    values: [],
  });
  if (!row) throw new Error("the table installation is empty: its row is made by the first migration");
  return { databaseId: row.database_id, secret: row.secret };
}

export async function findDatabaseId(db: Queryable): Promise<string> {
  return (await findInstallation(db)).databaseId;
}
