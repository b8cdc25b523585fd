import { expect } from "vitest";
import { listMessagesToExport } from "../src/postgres/messages.ts";
import { toRef } from "../src/service/messages.ts";
import { type Services, test } from "./services.ts";

const MIB = 1_048_576;

/** @returns how many messages each batch of 4 MiB has @param parts SQL of each message's */
async function batches(services: Services, parts: string): Promise<number[]> {
  const at = toRef(await services.newConversation("ada@example.com"));
  await services.deps.db.pool.query(
    `insert into messages (user_id, conversation_id, seq, id, role, content, parts, created_at)
     select $1, $2, n, gen_random_uuid(), 'user', 'x', ${parts}, now() from generate_series(1, 12) as n`,
    [at.userId, at.id],
  );
  const sizes: number[] = [];
  for (let afterSeq = 0; ;) {
    const batch = await listMessagesToExport(services.deps.db, at, { afterSeq, upToSeq: 12, bytesMax: 4 * MIB });
    if (batch.length === 0) return sizes;
    sizes.push(batch.length);
    afterSeq = batch.at(-1)?.seq ?? 12;
  }
}

test("a batch of messages is bounded by their parts, too, however well those are compressed", async ({ services }) => {
  expect(await batches(services, "null")).toEqual([12]);
  const compressible = `json_build_array(json_build_object('type', 'data', 'data', repeat('x', ${MIB})))`;
  expect(await batches(services, compressible)).toEqual([4, 4, 4]);
  const random = `(select string_agg(md5(random()::text || i || n), '') from generate_series(1, ${MIB / 32}) as i)`;
  expect(await batches(services, `json_build_array(json_build_object('type', 'data', 'data', ${random}))`)).toEqual([
    4, 4, 4,
  ]);
});
