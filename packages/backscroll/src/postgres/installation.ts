import type { Queryable } from "./pool.ts";

/** @returns what tells this database (or schema) from every other, made with its tables */
export async function findDatabaseId(db: Queryable): Promise<string> {
  return (await findInstallation(db)).database_id;
}

/** @returns 32 bytes under which this database's own HMACs are made; they are made with its tables */
export async function findInstallationSecret(db: Queryable): Promise<Buffer> {
  return (await findInstallation(db)).secret;
}

async function findInstallation(db: Queryable): Promise<{ database_id: string; secret: Buffer }> {
  const [row] = await db.query<{ database_id: string; secret: Buffer }>({
    name: "find_installation",
    text: "select database_id, secret from installation",
    values: [],
  });
  if (!row) throw new Error("the table installation is empty: its row is made by the first migration");
  return row;
}
