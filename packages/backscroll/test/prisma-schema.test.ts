import { readFileSync } from "node:fs";
import { beforeAll, expect } from "vitest";
import { type DmmfField, type DmmfModel, type GeneratedPrisma, generatePrisma } from "./prisma-client.ts";
import { type Services, test } from "./services.ts";

const SCHEMA = readFileSync(new URL("../prisma/schema.prisma", import.meta.url), "utf8");

/** Of nobody's concern but Backscroll's; a new table is one of these, or in the schema. */
const INTERNAL = [
  "api_keys",
  "audit_log",
  "audit_persons",
  "deleted_messages",
  "erased_users",
  "generations",
  "idempotency_keys",
  "installation",
  "logins",
  "schema_migrations",
  "upkeep_tasks",
];

/** Prisma's types without a native one, and what they are in PostgreSQL. */
const TYPES: Readonly<Record<string, string>> = {
  BigInt: "bigint",
  Boolean: "boolean",
  Int: "integer",
  Json: "jsonb",
  String: "text",
};

const NATIVE_TYPES: Readonly<Record<string, string>> = {
  "Date()": "date",
  "Json()": "json",
  "Timestamptz(3)": "timestamp(3) with time zone",
  "Uuid()": "uuid",
};

/** What the database does not give by itself, and the client or a trigger does. */
const GIVEN = new Set([
  "conversations.id",
  "conversations.title_source",
  "conversations.updated_day",
  "messages.created_at",
  "messages.id",
  "messages.seq",
]);

let prisma: GeneratedPrisma;
beforeAll(async () => {
  prisma = await generatePrisma(SCHEMA);
}, 300_000);

function columnOf({ dbName, name }: DmmfField): string {
  return dbName ?? name;
}

function tableOf({ dbName, name }: DmmfModel): string {
  return dbName ?? name;
}

function columnsOf({ fields }: DmmfModel, names: readonly string[]): string[] {
  return names.map((name) => columnOf(fields.find((field) => field.name === name) as DmmfField));
}

function typeOf({ type, nativeType }: DmmfField): string {
  const native = nativeType && `${nativeType[0]}(${nativeType[1].join(", ")})`;
  return (native ? NATIVE_TYPES[native] : TYPES[type]) ?? `${type} @db.${native}`;
}

async function catalog<Row extends object>({ deps }: Services, text: string): Promise<Row[]> {
  return (await deps.db.pool.query(text)).rows as Row[];
}

test("every table is described, or known to be internal", async ({ services }) => {
  const tables = await catalog<{ name: string }>(
    services,
    `select relname::text as name from pg_class
      where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')`,
  );
  const described = prisma.dmmf.datamodel.models.map(tableOf);
  expect([...described, ...INTERNAL].toSorted()).toEqual(tables.map(({ name }) => name).toSorted());
});

test("every column is described with its type, and whether it may be null", async ({ services }) => {
  const rows = await catalog<{ column: string; type: string; required: boolean }>(
    services,
    `select c.relname || '.' || a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required
       from pg_attribute as a join pg_class as c on c.oid = a.attrelid
      where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0
        and not a.attisdropped`,
  );
  const described = prisma.dmmf.datamodel.models.flatMap((model) =>
    model.fields
      .filter(({ kind }) => kind !== "object")
      .map((field) => ({
        column: `${tableOf(model)}.${columnOf(field)}`,
        type: typeOf(field),
        required: field.isRequired,
      })),
  );
  expect(byColumn(described)).toEqual(
    byColumn(rows.filter(({ column }) => !INTERNAL.includes(column.split(".")[0] ?? ""))),
  );
});

test("what may be left out is what the database gives, and what a create may rely on besides", async ({ services }) => {
  const rows = await catalog<{ column: string }>(
    services,
    `select c.relname || '.' || a.attname as column
       from pg_attribute as a join pg_class as c on c.oid = a.attrelid
      where c.relnamespace = current_schema()::regnamespace and (a.attidentity <> '' or a.atthasdef)
        and c.relkind in ('r', 'p') and a.attgenerated = ''`,
  );
  const given = [...rows.map(({ column }) => column), ...GIVEN];
  const described = prisma.dmmf.datamodel.models.flatMap((model) =>
    model.fields.filter((field) => field.default !== undefined).map((field) => `${tableOf(model)}.${columnOf(field)}`),
  );
  expect(described.toSorted()).toEqual(
    given.filter((column) => !INTERNAL.includes(column.split(".")[0] ?? "")).toSorted(),
  );
});

test("primary, unique and foreign keys have the columns and the names that they have in the database", async ({
  services,
}) => {
  const rows = await catalog<{ key: string }>(
    services,
    `select concat_ws(' ', k.conrelid::regclass, k.contype, k.conname, columns_of(k.conrelid, k.conkey),
                      nullif(k.confrelid, 0)::regclass, columns_of(k.confrelid, k.confkey), nullif(k.confdeltype, ' ')) as key
       from pg_constraint as k
      where k.connamespace = current_schema()::regnamespace and k.contype in ('p', 'u', 'f')`.replaceAll(
      /columns_of\((\S+), (\S+)\)/g,
      `(select string_agg(a.attname, ',' order by n) from unnest($2) with ordinality as of (number, n)
          join pg_attribute as a on a.attrelid = $1 and a.attnum = of.number)`,
    ),
  );
  expect(rows).not.toEqual([]);
  const { models, indexes } = prisma.dmmf.datamodel;
  const described = models.flatMap((model) => [
    ...indexes
      .filter((index) => index.model === model.name && (index.type === "id" || index.type === "unique"))
      .map(({ type, fields, dbName }) => {
        const columns = columnsOf(
          model,
          fields.map(({ name }) => name),
        );
        const name = dbName ?? `${tableOf(model)}_${type === "id" ? "pkey" : `${columns.join("_")}_key`}`;
        return `${tableOf(model)} ${type === "id" ? "p" : "u"} ${name} ${columns.join(",")}`;
      }),
    ...model.fields
      .filter(({ relationFromFields = [] }) => relationFromFields.length > 0)
      .map((field) => {
        const other = models.find(({ name }) => name === field.type) as DmmfModel;
        const from = columnsOf(model, field.relationFromFields ?? []).join(",");
        const to = columnsOf(other, field.relationToFields ?? []).join(",");
        const action = { Cascade: "c", NoAction: "a" }[field.relationOnDelete ?? ""];
        return `${tableOf(model)} f ${mapOf(model, field)} ${from} ${tableOf(other)} ${to} ${action}`;
      }),
  ]);
  const own = rows.map(({ key }) => key).filter((key) => !INTERNAL.includes(key.split(" ")[0] ?? ""));
  expect(described.toSorted()).toEqual(own.toSorted());
});

test("its indexes are the database's, but for partial ones", async ({ services }) => {
  const rows = await catalog<{ name: string }>(
    services,
    `select concat_ws(' ', i.indrelid::regclass, c.relname,
              (select string_agg(a.attname, ',' order by n) from unnest(i.indkey) with ordinality as of (number, n)
                 join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = of.number)) as name
       from pg_index as i join pg_class as c on c.oid = i.indexrelid
      where c.relnamespace = current_schema()::regnamespace and i.indpred is null
        and not exists (select from pg_constraint where conindid = i.indexrelid)`,
  );
  const { models, indexes } = prisma.dmmf.datamodel;
  const described = indexes
    .filter(({ type }) => type === "normal")
    .map(({ model: name, dbName, fields }) => {
      const model = models.find((each) => each.name === name) as DmmfModel;
      return `${tableOf(model)} ${dbName} ${columnsOf(
        model,
        fields.map((field) => field.name),
      ).join(",")}`;
    });
  const own = rows.map(({ name }) => name).filter((name) => !INTERNAL.includes(name.split(" ")[0] ?? ""));
  expect(described.toSorted()).toEqual(own.toSorted());
});

/** A relation's constraint is only in the text. */
function mapOf(model: DmmfModel, { name }: DmmfField): string {
  const [, body = ""] = new RegExp(`^model ${model.name} \\{([^]*?)^\\}`, "m").exec(SCHEMA) ?? [];
  return new RegExp(`^ +${name} .*@relation\\(.*map: "(\\w+)"`, "m").exec(body)?.[1] ?? "without a name";
}

function byColumn<Described extends { column: string }>(all: readonly Described[]): Described[] {
  return all.toSorted((a, b) => (a.column < b.column ? -1 : 1));
}
