import { expect } from "vitest";
import { finishErasures } from "../src/service/conversations.ts";
import { finishUserErasures } from "../src/service/erase-user.ts";
import { eraseWhatIsDue } from "../src/service/retention.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

/** Two people with a message each, of whom Ada came first; hers cannot be deleted. */
async function withStuckMessage({ conversations, deps }: Services): Promise<void> {
  for (const user of [ADA, BOB]) {
    await conversations.createConversation(user, { id: "c" });
    await conversations.saveMessage(user, "c", { role: "user", content: `said by ${user}` });
  }
  await deps.db.pool.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'stuck'; end $$;
    create trigger refuse before delete on messages for each row
      when (old.content = 'said by ${ADA}') execute function refuse()`);
}

async function speakers({ deps }: Services): Promise<string[]> {
  const { rows } = await deps.db.pool.query("select content from messages order by content");
  return rows.map(({ content }) => content.replace("said by ", ""));
}

const WAYS: Record<string, { readonly prepare: string; readonly erase: (services: Services) => Promise<void> }> = {
  "conversations that a server which died had marked": {
    prepare: "update conversations set erasing = true, deleted_at = now()",
    erase: ({ deps }) => finishErasures(deps),
  },
  "people whose erasure broke off": {
    prepare: "update users set erasing_at = now() - interval '1 hour'",
    erase: ({ deps }) => finishUserErasures(deps),
  },
  "what has been in the trash for too long": {
    prepare: "update conversations set deleted_at = now() - interval '31 days'; delete from upkeep_tasks",
    erase: ({ deps }) => eraseWhatIsDue(deps),
  },
};

test.for(Object.entries(WAYS))("of %s, one that cannot be erased keeps no other", async ([, way], { services }) => {
  await withStuckMessage(services);
  await services.deps.db.pool.query(way.prepare);

  await way.erase(services);

  expect(await speakers(services)).toEqual([ADA]);
  await services.deps.db.pool.query("drop trigger refuse on messages");
});

test("when many in a row cannot be erased, the rest waits for the next time", async ({ services }) => {
  const { conversations, deps } = services;
  await withStuckMessage(services);
  for (let i = 0; i < 10; i += 1) {
    await conversations.createConversation(ADA, { id: `c${i}` });
    await conversations.saveMessage(ADA, `c${i}`, { role: "user", content: `said by ${ADA}` });
  }
  await deps.db.pool.query("update conversations set erasing = true, deleted_at = now()");
  await expect(finishErasures(deps)).rejects.toThrow("stuck");
  expect(await speakers(services)).toContain(BOB);
  await deps.db.pool.query("drop trigger refuse on messages");
});
