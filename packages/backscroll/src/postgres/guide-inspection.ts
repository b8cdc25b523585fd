import type { Queryable } from "./pool.ts";

/** What is known of the guide's tables once they were found to be what they should be. */
export interface GuideTables {
  readonly schema: string;
  /** whether a conversation's id is of type uuid: then no other text may be asked for */
  readonly hasUuidIds: boolean;
  /** columns that the guide does not have, as `Message.model`: they are not read */
  readonly otherColumns: readonly string[];
  /** whether a conversation's messages can be found without reading all messages */
  readonly isIndexed: boolean;
}

const TEXT = ["text", "character varying", "character", "uuid", "citext"];
const TIME = ["timestamp without time zone", "timestamp with time zone"];
const WHOLE_NUMBER = ["smallint", "integer", "bigint"];

/** The guide's schema, as Prisma makes it; types that are read just as well are fine. */
const COLUMNS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  Conversation: { id: TEXT, user_email: TEXT, title: TEXT, created_at: TIME, updated_at: TIME },
  Message: {
    id: TEXT,
    conversation_id: TEXT,
    role: [...TEXT, "enum"],
    content: TEXT,
    tokens_used: WHOLE_NUMBER,
    latency_ms: WHOLE_NUMBER,
    created_at: TIME,
  },
};

interface Column {
  readonly table: string;
  readonly schema: string;
  readonly column: string;
  readonly type: string;
  readonly readable: boolean;
}

/**
 * @param db its search_path leads to the tables
 * @throws {Error} saying what was looked for, and what was found
 */
export async function checkGuideTables(db: Queryable): Promise<GuideTables> {
  const columns = await db.query<Column & Record<string, unknown>>({
    name: "guide_columns",
    text: FIND_COLUMNS,
    values: [],
  });
  const byTable = Map.groupBy(columns, ({ table }) => table);
  const missing = Object.keys(COLUMNS).filter((table) => !byTable.has(table));
  if (missing.length > 0) throw new Error(await describeMissing(db, missing));
  const problems = Object.entries(COLUMNS).flatMap(([table, wanted]) =>
    problemsOf(table, byTable.get(table) ?? [], wanted),
  );
  if (problems.length > 0) throw new Error(problems.join("; "));
  const [index] = await db.query<{ indexed: boolean }>({
    name: "guide_index",
    text: FIND_INDEX,
    values: [],
  });
  return {
    schema: columns[0]?.schema ?? "",
    hasUuidIds: columns.some(
      ({ table, column, type }) => table === "Conversation" && column === "id" && type === "uuid",
    ),
    otherColumns: columns
      .filter(({ table, column }) => COLUMNS[table]?.[column] === undefined)
      .map(({ table, column }) => `${table}.${column}`),
    isIndexed: index?.indexed === true,
  };
}

function problemsOf(
  table: string,
  found: readonly Column[],
  wanted: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const names = found.map(({ column }) => column).join(", ");
  return Object.entries(wanted).flatMap(([name, types]) => {
    const column = found.find((each) => each.column === name);
    if (!column) return [`the table "${table}" has no column ${name}: it has ${names}`];
    if (!column.readable) return [`"${table}"."${name}" may not be read: grant select on "${table}" to this user`];
    return types.includes(column.type)
      ? []
      : [`"${table}"."${name}" is of type ${column.type}: it should be ${types.slice(0, 2).join(" or ")}`];
  });
}

const FIND_COLUMNS = `
  select class.relname as table, namespace.nspname as schema, attribute.attname as column,
         case when type.typtype = 'e' then 'enum' else format_type(attribute.atttypid, null) end as type,
         has_column_privilege(class.oid, attribute.attnum, 'select') as readable
    from unnest(array['"Conversation"', '"Message"']) as wanted (name)
    join pg_class class on class.oid = to_regclass(wanted.name)
    join pg_namespace namespace on namespace.oid = class.relnamespace
    join pg_attribute attribute on attribute.attrelid = class.oid and attribute.attnum > 0 and not attribute.attisdropped
    join pg_type type on type.oid = attribute.atttypid
   order by class.relname, attribute.attnum`;

const FIND_INDEX = `
  select exists (
    select from pg_index index
      join pg_attribute attribute on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
     where index.indrelid = '"Message"'::regclass and attribute.attname = 'conversation_id'
       and index.indisvalid and index.indpred is null) as indexed`;

/** Where else they are, and what is there in their place. */
async function describeMissing(db: Queryable, missing: readonly string[]): Promise<string> {
  const [row] = await db.query<{ path: string; elsewhere: string[]; here: string[] }>({
    name: "guide_elsewhere",
    text: `
      select array_to_string(current_schemas(false), ', ') as path,
             array(select format('%I.%I%s', n.nspname, c.relname,
                                 case when not has_schema_privilege(n.oid, 'usage') then ' (which may not be used: grant usage on schema)'
                                      else '' end)
                     from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where c.relkind in ('r', 'p', 'v') and lower(c.relname) in ('conversation', 'message', 'conversations', 'messages')
                      and n.nspname not in ('pg_catalog', 'information_schema')
                      and not n.nspname = any(current_schemas(false))
                    order by 1 limit 10) as elsewhere,
             array(select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where c.relkind in ('r', 'p', 'v') and n.nspname = any(current_schemas(false)) order by 1 limit 20) as here`,
    values: [],
  });
  const names = missing.map((name) => `"${name}"`).join(" and ");
  const { path = "", elsewhere = [], here = [] } = row ?? {};
  const found = here.length === 0 ? "it has no tables" : `it has ${here.join(", ")}`;
  const where = path === "" ? "there is no such schema" : `there is no ${names} in schema ${path}: ${found}`;
  const others =
    elsewhere.length === 0 ? "" : `. There is ${elsewhere.join(", ")}: ?schema=… in the URL says which schema`;
  return `the guide's tables "Conversation" and "Message" were looked for, and ${where}${others}`;
}
