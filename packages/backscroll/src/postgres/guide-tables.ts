import type { GuideSource } from "./guide-source.ts";

/**
 * The guide's tables. A message's hash, and a conversation's digest, are what `guide-imported.ts` makes of the same that
 * was imported; digests are sums, so that neither side has to sort.
 */

/** A sum over the messages' hashes, in two halves; equal ones are of the same messages. */
export interface Digest {
  readonly messages: number;
  readonly high: bigint;
  readonly low: bigint;
}

export interface DigestRow {
  messages: string;
  high: string;
  low: string;
}

export function toDigest({ messages, high, low }: DigestRow): Digest {
  return { messages: Number(messages), high: BigInt(high), low: BigInt(low) };
}

export interface GuideConversation {
  readonly id: string;
  /** null, as `title`: the guide's schema would not let it be */
  readonly userEmail: string | null;
  readonly title: string | null;
  /** milliseconds since 1970; null: infinite */
  readonly createdMs: number | null;
  readonly updatedMs: number | null;
  /** of all contents */
  readonly bytes: number;
  readonly digest: Digest;
}

const ms = (column: string): string =>
  `(case when isfinite(${column}) then round(extract(epoch from ${column}) * 1000)::bigint end)`;

/** What a message says, whenever it was. */
const HASH = `
  md5(concat_ws('|', m.id::text, m.role::text, md5(convert_to(m.content::text, 'UTF8')),
                coalesce(m.tokens_used::text, ''), coalesce(m.latency_ms::text, '')))`;

/** @returns a message's hash with its time in it @param at SQL of its milliseconds as text */
export function datedHashSql(hash: string, at: string): string {
  return `md5(${hash} || '|' || ${at})`;
}

const half = (end: "left" | "right"): string =>
  `coalesce(sum(('x' || ${end}(dated_hash, 16))::bit(64)::bigint), 0)::text`;

/** Of messages with a `dated_hash`. */
export const DIGEST_COLUMNS = `count(*) as messages, ${half("left")} as high, ${half("right")} as low`;

const LIST = `
  select page.*, digest.*
    from (select c.id, c.id::text as id_text, c.user_email::text, c.title::text, ${ms("c.created_at")} as created_ms,
                 ${ms("c.updated_at")} as updated_ms
            from "Conversation" as c
           where c.id is not null `;
const LIST_END = `
           order by c.id limit $1) as page
   cross join lateral (
     select coalesce(sum(bytes), 0) as bytes, ${DIGEST_COLUMNS}
       from (select ${datedHashSql(HASH, `coalesce(${ms("m.created_at")}::text, '')`)} as dated_hash,
                    octet_length(m.content::text) as bytes
               from "Message" as m where m.conversation_id = page.id) as message) as digest
   order by page.id`;

interface ConversationRow extends DigestRow {
  id_text: string;
  user_email: string | null;
  title: string | null;
  created_ms: string | null;
  updated_ms: string | null;
  bytes: string;
}

/** @param after the last one's id; null: from the first */
export async function listGuideConversations(
  source: GuideSource,
  { after, limit }: { after: string | null; limit: number },
): Promise<readonly GuideConversation[]> {
  const rows = await source.query<ConversationRow & Record<string, unknown>>({
    name: "list_guide_conversations",
    text: `${LIST}${after === null ? "" : "and c.id > $2"}${LIST_END}`,
    values: after === null ? [limit] : [limit, after],
  });
  return rows.map((row) => ({
    id: row.id_text,
    userEmail: row.user_email,
    title: row.title,
    createdMs: numberOf(row.created_ms),
    updatedMs: numberOf(row.updated_ms),
    bytes: Number(row.bytes),
    digest: toDigest(row),
  }));
}

/** A message as it is in the guide's table. */
export interface GuideMessage {
  readonly id: string;
  /** its time, as exactly as PostgreSQL has it */
  readonly at: string;
  /** milliseconds since 1970; null: infinite */
  readonly atMs: number | null;
  /** null, as `bytes`: the guide's schema would not let it be */
  readonly role: string | null;
  readonly tokensUsed: number | null;
  readonly latencyMs: number | null;
  /** of its content; null: it is null */
  readonly bytes: number | null;
  /** what the content and the rest make; null: it was not asked for */
  readonly hash: string | null;
  /** null: it was not asked for, or is over the limit */
  readonly content: string | null;
}

interface MessageRow {
  id: string;
  at: string;
  at_ms: string | null;
  role: string | null;
  tokens_used: string | null;
  latency_ms: string | null;
  bytes: number | null;
  hash: string | null;
  content: string | null;
}

export interface MessagesWanted {
  readonly conversationId: string;
  /** the last one that was read; null: from the first */
  readonly after: GuideMessage | null;
  readonly limit: number;
  /** what is read of each beside what is small */
  readonly with: "hash" | "content" | "nothing";
  /** contents with more bytes stay where they are */
  readonly bytesMax: number;
}

/** @returns those with an id and a time, in the order of their times, and of their ids where those are the same */
export async function listGuideMessages(
  source: GuideSource,
  { conversationId, after, limit, with: extra, bytesMax }: MessagesWanted,
): Promise<readonly GuideMessage[]> {
  const rows = await source.query<MessageRow & Record<string, unknown>>({
    name: "list_guide_messages",
    text: `
      select m.id::text, m.created_at::text as at, ${ms("m.created_at")} as at_ms, m.role::text, m.tokens_used,
             m.latency_ms, octet_length(m.content::text) as bytes,
             case when $3 then ${HASH} end as hash,
             case when $4 and octet_length(m.content::text) <= $5 then m.content::text end as content
        from "Message" as m
       where m.conversation_id = $1 and m.id is not null and m.created_at is not null
             ${after === null ? "" : "and m.created_at >= $6 and (m.created_at, m.id) > ($6, $7)"}
       order by m.created_at, m.id limit $2`,
    values: [
      conversationId,
      limit,
      extra === "hash",
      extra === "content",
      bytesMax,
      ...(after === null ? [] : [after.at, after.id]),
    ],
  });
  return rows.map((row) => ({
    id: row.id,
    at: row.at,
    atMs: numberOf(row.at_ms),
    role: row.role,
    tokensUsed: numberOf(row.tokens_used),
    latencyMs: numberOf(row.latency_ms),
    bytes: row.bytes,
    hash: row.hash,
    content: row.content,
  }));
}

/** @returns by id */
export async function findGuideContents(
  source: GuideSource,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await source.query<{ id: string; content: string }>({
    name: "find_guide_contents",
    text: `select m.id::text, m.content::text from "Message" as m where m.id = any($1)`,
    values: [ids],
  });
  return new Map(rows.map(({ id, content }) => [id, content]));
}

export interface GuideCounts {
  /** of no conversation, too */
  readonly messages: number;
  /** which the guide's schema would not let be: nothing finds them */
  readonly conversationsWithoutId: number;
}

export async function countGuide(source: GuideSource): Promise<GuideCounts> {
  const [row] = await source.query<{ messages: string; without_id: string }>({
    name: "count_guide",
    text: `
      select (select count(*) from "Message") as messages,
             (select count(*) from "Conversation" where id is null) as without_id`,
    values: [],
  });
  return { messages: Number(row?.messages ?? 0), conversationsWithoutId: Number(row?.without_id ?? 0) };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @returns those of the conversations that are there */
export async function findGuideConversations(
  source: GuideSource,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await source.query<{ id: string }>({
    name: "find_guide_conversations",
    text: `select c.id::text from "Conversation" as c where c.id = any($1)`,
    values: [source.tables.hasUuidIds ? ids.filter((id) => UUID.test(id)) : ids],
  });
  return new Set(rows.map(({ id }) => id));
}

/** @returns addresses that differ in nothing but capitals, as one text each: these are different people here */
export async function listAddressesInTwoCases(source: GuideSource, limit: number): Promise<readonly string[]> {
  const rows = await source.query<{ addresses: string }>({
    name: "list_addresses_in_two_cases",
    text: `
      select string_agg(distinct user_email::text, ', ') as addresses from "Conversation"
       group by lower(user_email::text) having count(distinct user_email::text) > 1 order by 1 limit $1`,
    values: [limit],
  });
  return rows.map(({ addresses }) => addresses);
}

function numberOf(text: string | number | null): number | null {
  return text === null ? null : Number(text);
}
