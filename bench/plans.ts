import pg from "pg";
import { mintId } from "../packages/backscroll/src/domain/ids.ts";

/** How PostgreSQL runs one statement of Backscroll. */
export interface Plan {
  readonly statement: string;
  /** what is read, through which index, how many rows, how many pages in all */
  readonly summary: string;
  readonly text: string;
  /** it reads all of a table or of a conversation to find a few rows */
  readonly readsTooMuch: boolean;
}

interface Captured {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Runs the work and notes the prepared statements it sends, below pool and transactions alike.
 *
 * @returns one of each name, the middle one of those sent: neither the first nor the one that finds the end
 */
async function captureStatements(work: () => Promise<unknown>): Promise<readonly Captured[]> {
  const captured: Captured[] = [];
  const prototype = pg.Client.prototype as unknown as { query: (...sent: unknown[]) => unknown };
  const { query } = prototype;
  prototype.query = function capture(this: unknown, ...sent: unknown[]) {
    const [first] = sent;
    if (isCaptured(first) && !UPKEEP.has(first.name)) captured.push(first);
    return query.apply(this, sent);
  };
  try {
    await work();
  } finally {
    prototype.query = query;
  }
  return [...Map.groupBy(captured, ({ name }) => name).values()].flatMap(
    (same) => same[Math.floor((same.length - 1) / 2)] ?? [],
  );
}

/** Runs every minute by itself, whoever is measured. */
const UPKEEP = new Set(["list_erasing", "delete_expired_idempotency_keys"]);

function isCaptured(sent: unknown): sent is Captured {
  return (
    typeof sent === "object" && sent !== null && "name" in sent && typeof sent.name === "string" && "values" in sent
  );
}

/** Plans chosen before this many runs are made for the values at hand: a server's connections are long past them. */
const CUSTOM_PLANS = 5;

const explained: Plan[] = [];

/** @returns the statements of this run that read too much, each once */
export function wastefulStatements(): readonly string[] {
  return [...new Set(explained.filter(({ readsTooMuch }) => readsTooMuch).map(({ statement }) => statement))];
}

/** The plans of what the work sends, as a connection that has run each often uses them. Changes nothing. */
export async function explain(url: string, work: () => Promise<unknown>): Promise<readonly Plan[]> {
  const statements = await captureStatements(work);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const plans: Plan[] = [];
    for (const statement of statements) plans.push(await explainOne(client, statement));
    explained.push(...plans);
    return plans;
  } finally {
    await client.end();
  }
}

async function explainOne(client: pg.Client, { name, text, values }: Captured): Promise<Plan> {
  const given = values.length === 0 ? "" : `(${values.map((value) => literal(client, value)).join(", ")})`;
  await client.query("begin");
  try {
    await client.query(`prepare ${name} as ${text}`);
    for (let run = 0; run < CUSTOM_PLANS; run += 1) await client.query(`explain execute ${name}${given}`);
    const { rows } = await client.query<{ "QUERY PLAN": string }>(
      `explain (analyze, buffers, costs off, timing off, summary off) execute ${name}${given}`,
    );
    const { rows: kinds } = await client.query<{ generic: boolean }>(
      `select generic_plans > 0 as generic from pg_prepared_statements where name = '${name}'`,
    );
    const lines = rows.map((row) => row["QUERY PLAN"]);
    const kind = kinds[0]?.generic ? "generic" : "custom";
    return {
      statement: name,
      summary: `\`${name}\` (${kind}): ${summarise(lines)}`,
      text: `${name}, ${kind} plan\n${lines.map(shorten).join("\n")}`,
      readsTooMuch: scansOf(lines).some(
        ({ kind, table, thrownAway }) =>
          HISTORY.has(table) && (kind === "Seq Scan" || (table === "messages" && thrownAway > THROWN_AWAY_MAX)),
      ),
    };
  } finally {
    await client.query("rollback");
    await client.query(`deallocate all`);
  }
}

const HISTORY = new Set(["messages", "conversations"]);
/** More than a page of messages that nobody wanted: some index does not fit. */
const THROWN_AWAY_MAX = 200;
const SCAN =
  /((?:Index Only|Index|Bitmap Index|Seq|Tid) Scan)( Backward)?(?: using (\S+))? on (\S+).*?\(actual rows=([\d.]+) loops=(\d+)\)/;

interface Scan {
  readonly kind: string;
  readonly index: string | undefined;
  readonly table: string;
  readonly isBackward: boolean;
  readonly rows: number;
  /** read, and then not wanted */
  readonly thrownAway: number;
}

function scansOf(lines: readonly string[]): readonly Scan[] {
  return lines.flatMap((line, at) => {
    const match = SCAN.exec(line);
    if (!match) return [];
    const [, kind = "", backward, index, table = "", rows = "", loops = ""] = match;
    const rest = lines.slice(at + 1);
    const nextNode = rest.findIndex((own) => own.includes("->"));
    const filtered = /Rows Removed by Filter: (\d+)/.exec(
      rest.slice(0, nextNode < 0 ? undefined : nextNode).join("\n"),
    );
    return [
      {
        kind,
        index,
        table,
        isBackward: backward !== undefined,
        rows: Math.round(Number(rows) * Number(loops)),
        thrownAway: Number(filtered?.[1] ?? 0) * Number(loops),
      },
    ];
  });
}

function summarise(lines: readonly string[]): string {
  const reads = scansOf(lines).map(({ kind, index, table, isBackward, rows, thrownAway }) => {
    const what = kind === "Seq Scan" ? `SEQ SCAN of ${table}` : `${index ?? table}${isBackward ? " backward" : ""}`;
    return `${what} ${rows}${thrownAway > 0 ? ` of ${rows + thrownAway}` : ""}`;
  });
  const sorts = lines.some((line) => /->\s+Sort\b|^\s*Sort\b|Incremental Sort/.test(line)) ? ["sort"] : [];
  return [...reads, ...sorts, `${pages(lines)} pages`].join(", ");
}

/** What the topmost node counts is all of it. */
function pages(lines: readonly string[]): number {
  const buffers = lines.find((line) => line.includes("Buffers:")) ?? "";
  return [...buffers.matchAll(/(?:hit|read)=(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

function shorten(line: string): string {
  return line.length > 220 ? `${line.slice(0, 217)}…` : line;
}

function literal(client: pg.Client, value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value instanceof Date) return client.escapeLiteral(value.toISOString());
  if (Array.isArray(value)) return client.escapeLiteral(`{${value.map((item) => JSON.stringify(item)).join(",")}}`);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // The messages of an append are stored by now: it is explained with others, or their ids would be refused.
  return client.escapeLiteral(text.replaceAll(/"id":"[0-9a-f-]{36}"/g, () => `"id":"${mintId()}"`));
}
