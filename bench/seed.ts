import pg from "pg";
import { mintId } from "../packages/backscroll/src/domain/ids.ts";

export interface Size {
  /** messages of a conversation of each size */
  readonly small: number;
  readonly middle: number;
  readonly large: number;
  /** the listed person's conversations in the list, beside archived and deleted ones */
  readonly conversations: number;
}

export interface Seeded {
  readonly userId: number;
  /** several, since one that appends go to does not stay small */
  readonly smallIds: readonly string[];
  readonly middleId: string;
  readonly largeId: string;
  /** somebody with as many conversations, all of them active on one day */
  readonly busyUserId: number;
}

const SMALL_CONVERSATIONS = 20;

/**
 * Writes what a year of use leaves, with everything the service keeps true: seq 1 to N, the counts, times that never
 * run backwards. In bulk, since a million appends would take minutes.
 */
export async function seed(url: string, userId: number, size: Size): Promise<Seeded> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await createIdFunction(client);
    const smallIds = Array.from({ length: SMALL_CONVERSATIONS }, mintId);
    const [middleId, largeId] = [mintId(), mintId()];
    for (const id of smallIds) await insertLong(client, { userId, id, messages: size.small });
    await insertLong(client, { userId, id: middleId, messages: size.middle });
    await insertLong(client, { userId, id: largeId, messages: size.large });
    await insertShort(client, { userId, count: size.conversations, daysApart: 200, archived: false, deleted: false });
    await insertShort(client, {
      userId,
      count: size.conversations / 10,
      daysApart: 200,
      archived: true,
      deleted: false,
    });
    await insertShort(client, { userId, count: size.conversations / 5, daysApart: 20, archived: false, deleted: true });
    const busyUserId = await insertUser(client, "busy");
    await insertShort(client, {
      userId: busyUserId,
      count: size.conversations,
      daysApart: 0.2,
      archived: false,
      deleted: false,
    });
    // Others, so that one person's rows are a part of the tables as anywhere.
    for (let other = 0; other < 20; other += 1) {
      const otherId = await insertUser(client, `other-${other}`);
      await insertShort(client, {
        userId: otherId,
        count: size.conversations / 10,
        daysApart: 100,
        archived: false,
        deleted: false,
      });
    }
    await client.query("vacuum analyze");
    return { userId, smallIds, middleId, largeId, busyUserId };
  } finally {
    await client.end();
  }
}

async function insertUser(client: pg.Client, name: string): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    "insert into users (issuer, subject) values ('bench', $1) returning id",
    [name],
  );
  return Number(rows[0]?.id);
}

/** UUIDv7 of a time, as the service mints them: ordered as the messages are. */
async function createIdFunction(client: pg.Client): Promise<void> {
  await client.query(`
    create function pg_temp.id_at(at timestamptz, salt text) returns uuid language sql stable return (
      lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(salt), 1, 3) || '8' ||
      substr(md5(salt), 4, 15))::uuid`);
}

const CONTENT = `
  'Message ' || seq || ': ' || repeat('the quick brown fox jumps over the lazy dog and asks for the recipe. ', 1 + (seq % 5)::int)`;
const MESSAGE_COLUMNS = "user_id, conversation_id, seq, id, role, content, model, tokens_used, created_at";
const MESSAGE_REST = `
  case when seq % 2 = 1 then 'user' else 'assistant' end, ${CONTENT},
  case when seq % 2 = 0 then 'bench-model' end, case when seq % 2 = 0 then 80 + (seq % 50)::int end`;

/** A message every twenty seconds, the newest a day ago. */
async function insertLong(
  client: pg.Client,
  { userId, id, messages }: { userId: number; id: string; messages: number },
): Promise<void> {
  await client.query(
    `insert into conversations (user_id, id, title, title_source, last_seq, message_count, version, created_at, updated_at)
     values ($1, $2, 'A conversation of ' || $3::bigint, 'user', $3, $3, $3,
             statement_timestamp() - interval '1 day' - $3 * interval '20 s', statement_timestamp() - interval '1 day')`,
    [userId, id, messages],
  );
  await client.query(
    `insert into messages (${MESSAGE_COLUMNS})
     select $1, $2, seq, pg_temp.id_at(at, $2::text || seq), ${MESSAGE_REST}, at
       from (select seq, c.updated_at - ($3 - seq) * interval '20 s' as at
               from generate_series(1, $3::bigint) as seq, conversations as c
              where c.user_id = $1 and c.id = $2::uuid) as each
      order by seq`,
    [userId, id, messages],
  );
}

const MESSAGES_OF_SHORT = 4;

/** Many conversations of four messages, their activity spread evenly over the last days. */
async function insertShort(
  client: pg.Client,
  options: { userId: number; count: number; daysApart: number; archived: boolean; deleted: boolean },
): Promise<void> {
  const { userId, count, daysApart, archived, deleted } = options;
  await client.query(
    `with made as (
       insert into conversations (user_id, id, title, title_source, pinned_at, archived_at, deleted_at, last_seq,
                                  message_count, version, created_at, updated_at)
       select $1::bigint, pg_temp.id_at(at, $1::bigint || 'c' || nth || $4::boolean || $5::boolean),
              (array['Budget', 'Holiday in Norway', 'A poem', 'SQL question', 'Recipe'])[1 + nth % 5] || ' ' || nth, 'user',
              case when nth <= 10 and not $4::boolean and not $5::boolean then at end, case when $4 then at end,
              case when $5 then statement_timestamp() - nth * interval '1 s' end,
              ${MESSAGES_OF_SHORT}, ${MESSAGES_OF_SHORT}, ${MESSAGES_OF_SHORT}, at - interval '1 h', at
         from (select nth, date_trunc('day', statement_timestamp()) - nth * ($3::float8 / $2) * interval '1 day' as at
                 from generate_series(1, $2::int) as nth) as each
       returning user_id, id, updated_at
     )
     insert into messages (${MESSAGE_COLUMNS})
     select user_id, made.id, seq, pg_temp.id_at(updated_at, made.id::text || seq), ${MESSAGE_REST}, updated_at
       from made, generate_series(1, ${MESSAGES_OF_SHORT}) as seq`,
    [userId, Math.round(count), daysApart, archived, deleted],
  );
}

/** @returns new, empty conversations, for appends to go to */
export async function newConversations(url: string, userId: number, count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, mintId);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    `insert into conversations (user_id, id, title, title_source) select $1, unnest($2::uuid[]), 'Appended to', 'user'`,
    [userId, ids],
  );
  await client.end();
  return ids;
}
