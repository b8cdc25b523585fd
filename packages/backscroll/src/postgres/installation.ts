import type { Queryable } from "./pool.ts";

/** @returns what tells this database (or schema) from every other, made with its tables */
export async function findDatabaseId(db: Queryable): Promise<string> {
  const [row] = await db.query<{ database_id: string }>({
    name: "find_database_id",
    text: "select database_id from installation",
    values: [],
  });
  if (!row) throw new Error("the table installation is empty: its row is made by the first migration");
  return row.database_id;
}
