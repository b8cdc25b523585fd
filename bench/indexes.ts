import { resolveUser } from "../packages/backscroll/src/service/users.ts";
import { type Bench, CONTENT, openBackscroll, say, USER } from "./bench-context.ts";
import { runSql } from "./database.ts";
import { appendByStatement, openPool } from "./floors.ts";
import { ratioText, type Section, table } from "./report.ts";
import { inProcess, interleave, median, type Rates, ratio, type Subject } from "./rounds.ts";
import { seed, type Size } from "./seed.ts";

interface Variant {
  readonly name: string;
  readonly schema: string;
  /** applied after the migrations */
  readonly sql: string;
}

const PRESENT: Variant = { name: "as it is", schema: "present", sql: "" };
const VARIANTS: readonly Variant[] = [
  PRESENT,
  {
    name: "list index on `updated_at` instead of `updated_day`",
    schema: "updated_at",
    sql: `drop index conversations_updated_day_idx;
          create index conversations_updated_at_idx on conversations (user_id, updated_at)`,
  },
  {
    name: "with an index on `created_at` for time windows",
    schema: "created_at",
    sql: "create index messages_created_at_idx on messages (user_id, conversation_id, created_at, seq)",
  },
];

const CONCURRENCY = 16;
/** What is appended to: some of a person's old conversations, as often as a day's talk. */
const ACTIVE_CONVERSATIONS = 160;

interface Prepared {
  readonly variant: Variant;
  readonly url: string;
  readonly bare: Subject;
  readonly library: Subject;
  /** of each round, by `bare` and by `library` */
  readonly walBytes: Record<"bare" | "library", number[]>;
  readonly close: () => Promise<void>;
}

/** What an index costs every append: the same appends in schemas that differ only in it. */
export async function measureIndexes(bench: Bench, size: Size): Promise<Section> {
  say("indexes");
  const prepared: Prepared[] = [];
  for (const variant of VARIANTS) prepared.push(await prepare(bench, variant, size));
  const options = { ...bench.effort, concurrency: CONCURRENCY };
  const bare = await interleave(
    prepared.map((each) => each.bare),
    options,
  );
  const library = await interleave(
    prepared.map((each) => each.library),
    options,
  );
  for (const { close } of prepared) await close();
  const rows: string[][] = [];
  for (const { variant, url, walBytes } of prepared) {
    const { hot, updates } = await hotShare(url);
    rows.push([
      variant.name,
      cell(bare, variant),
      cell(library, variant),
      `${median(walBytes.bare).toFixed(0)} / ${median(walBytes.library).toFixed(0)}`,
      `${(hot * 100).toFixed(1)}% of ${updates.toLocaleString("en-US")}`,
    ]);
  }
  return {
    title: `What an index costs an append, at concurrency ${CONCURRENCY}`,
    text: table(
      [
        "indexes",
        "bare `pg`, of as it is",
        "library, of as it is",
        "bytes of WAL an append, bare / library",
        "updates of conversations that were HOT",
      ],
      rows,
    ),
  };
}

function cell(rates: Rates, { name }: Variant): string {
  return name === PRESENT.name ? "" : ratioText(ratio(rates, name, PRESENT.name));
}

async function prepare(bench: Bench, variant: Variant, size: Size): Promise<Prepared> {
  const url = await bench.database.newSchema(variant.schema);
  const backscroll = await openBackscroll(url);
  const userId = await resolveUser(backscroll.deps, USER);
  await seed(url, userId, { ...size, middle: size.small, large: size.small });
  if (variant.sql !== "") await runSql(url, variant.sql);
  const found = await runSql(
    url,
    "select id from conversations where user_id = $1 and deleted_at is null order by md5(id::text) limit $2",
    [userId, ACTIVE_CONVERSATIONS],
  );
  const ids = found.map((row) => String(row["id"]));
  const pool = openPool(url, backscroll.config.databasePoolMax);
  let turn = 0;
  const next = (): string => ids[(turn += 1) % ids.length] ?? "";
  const walBytes = { bare: [] as number[], library: [] as number[] };
  return {
    variant,
    url,
    walBytes,
    bare: countingWal(
      url,
      walBytes.bare,
      inProcess(variant.name, () => appendByStatement(pool, { userId, conversationId: next(), content: CONTENT })),
    ),
    library: countingWal(
      url,
      walBytes.library,
      inProcess(variant.name, () =>
        backscroll.conversations.saveMessage(USER, next(), { role: "user", content: CONTENT }),
      ),
    ),
    close: async () => {
      await pool.end();
      await backscroll.close();
    },
  };
}

/** WAL is what an append writes to the disk: a number that no other load on the machine changes. */
function countingWal(url: string, bytes: number[], { name, run }: Subject): Subject {
  return {
    name,
    async run(concurrency, ms) {
      const before = await walPosition(url);
      const startedAt = performance.now();
      const rate = await run(concurrency, ms);
      const operations = (rate * (performance.now() - startedAt)) / 1000;
      bytes.push(((await walPosition(url)) - before) / operations);
      return rate;
    },
  };
}

async function walPosition(url: string): Promise<number> {
  const [row] = await runSql(url, "select pg_current_wal_insert_lsn() - '0/0' as bytes");
  return Number(row?.["bytes"]);
}

/** Counted since the connections that updated are gone: until then a connection keeps some of its counts. */
async function hotShare(url: string): Promise<{ hot: number; updates: number }> {
  const [row] = await runSql(
    url,
    `select n_tup_upd as updates, n_tup_hot_upd as hot from pg_stat_user_tables
      where schemaname = current_schema() and relname = 'conversations'`,
  );
  const updates = Number(row?.["updates"]);
  return { hot: Number(row?.["hot"]) / updates, updates };
}
