import type { Queryable } from "./pool.ts";

/**
 * Takes a task of the upkeep when it is due. Of all servers that try at once, one gets it.
 *
 * @param everyMs how long after it was last taken it is due again
 */
export async function claimUpkeepTask(db: Queryable, task: string, { everyMs }: { everyMs: number }): Promise<boolean> {
  const rows = await db.query({
    name: "claim_upkeep_task",
    text: `
      insert into upkeep_tasks as mine (task, started_at) values ($1, statement_timestamp())
      on conflict on constraint upkeep_tasks_pkey do update
         set started_at = excluded.started_at
       where mine.started_at <= excluded.started_at - $2 * interval '1 ms'
      returning task`,
    values: [task, everyMs],
  });
  return rows.length === 1;
}
