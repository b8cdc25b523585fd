import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import pg from "pg";
import { inject, onTestFinished } from "vitest";

/** What is generated from a schema of Prisma's. */
export interface GeneratedPrisma {
  /** has the client and its types, `client/client.ts`: TypeScript beside it sees Prisma's packages */
  readonly directory: string;
  /** the schema as Prisma has understood it */
  readonly dmmf: Dmmf;
  /**
   * @param databaseUrl its `search_path` is the schema that is read and written
   * @returns a client, disconnected when the test is over
   */
  connect(databaseUrl: string): Promise<PrismaClient>;
}

/** A generated client: which models it has is only known where it is generated. */
export interface PrismaClient {
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks into what is read as it likes
  readonly [model: string]: any;
}

/** https://github.com/prisma/prisma/blob/main/packages/dmmf/src/dmmf.ts */
interface Dmmf {
  readonly datamodel: {
    readonly models: readonly DmmfModel[];
    readonly indexes: readonly DmmfIndex[];
  };
}

export interface DmmfModel {
  readonly name: string;
  readonly dbName: string | null;
  readonly fields: readonly DmmfField[];
}

export interface DmmfField {
  readonly name: string;
  readonly dbName?: string | null;
  readonly kind: "scalar" | "object" | "enum" | "unsupported";
  readonly type: string;
  readonly nativeType?: readonly [name: string, parameters: readonly string[]] | null;
  readonly isRequired: boolean;
  readonly default?: unknown;
  readonly relationFromFields?: readonly string[];
  readonly relationToFields?: readonly string[];
  readonly relationOnDelete?: string;
}

interface DmmfIndex {
  readonly model: string;
  readonly type: "id" | "unique" | "normal" | "fulltext";
  readonly dbName?: string;
  readonly fields: readonly { readonly name: string }[];
}

const WANTED = fileURLToPath(new URL("./prisma/", import.meta.url));
const LOCK = "package-lock.json";

/**
 * Generates a client and imports it. Prisma is installed for it once, with npm, beside this file: some 300 MB that
 * nothing else needs. Then neither installing nor generating asks the network for anything.
 *
 * @param schema `schema.prisma`; where it puts its client is not looked at
 */
export async function generatePrisma(schema: string): Promise<GeneratedPrisma> {
  const release = await lockInstallation();
  try {
    const installation = install();
    const directory = generate(installation, schema);
    return {
      directory,
      dmmf: JSON.parse(readFileSync(join(directory, "dmmf.json"), "utf8")) as Dmmf,
      async connect(databaseUrl) {
        const { connect } = (await import(pathToFileURL(join(directory, "connect.ts")).href)) as {
          connect: (connectionString: string, schema: string) => PrismaClient;
        };
        const client = connect(databaseUrl, schemaOf(databaseUrl));
        onTestFinished(() => client["$disconnect"]() as Promise<void>);
        return client;
      },
    };
  } finally {
    await release();
  }
}

/** Prisma names the schema in every statement. */
function schemaOf(databaseUrl: string): string {
  const options = new URL(databaseUrl).searchParams.get("options") ?? "";
  return /search_path=(\w+)/.exec(options)?.[1] ?? "public";
}

/** One at a time, of all that share this run's PostgreSQL: test files ask at once. */
async function lockInstallation(): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: inject("databaseUrl") });
  await client.connect();
  await client.query("select pg_advisory_lock(hashtext('backscroll test prisma'))");
  return () => client.end();
}

/** @returns where Prisma is, as the lock file wants it */
function install(): string {
  const all = join(WANTED, ".installed");
  const installed = join(all, hash(readFileSync(join(WANTED, LOCK), "utf8")));
  if (existsSync(installed)) return installed;
  process.stderr.write("installing Prisma for the tests …\n");
  const incomplete = join(all, randomUUID());
  mkdirSync(incomplete, { recursive: true });
  for (const name of ["package.json", LOCK]) cpSync(join(WANTED, name), join(incomplete, name));
  // Without scripts: they download engines, which a client over `pg` does not have.
  run("npm", ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], incomplete);
  const outdated = readdirSync(all).filter((name) => join(all, name) !== incomplete);
  renameSync(incomplete, installed);
  for (const name of outdated) rmSync(join(all, name), { recursive: true, force: true });
  return installed;
}

/** @returns where its client is */
function generate(installation: string, schema: string): string {
  const clients = join(installation, "clients");
  const generated = join(clients, hash(schema + readFileSync(fileURLToPath(import.meta.url), "utf8")));
  if (existsSync(generated)) return generated;
  const incomplete = join(clients, randomUUID());
  mkdirSync(incomplete, { recursive: true });
  const models = schema.replaceAll(/^generator \w+ \{[^}]*\}/gm, "");
  writeFileSync(join(incomplete, "schema.prisma"), models + generators(incomplete));
  writeFileSync(join(incomplete, "dmmf-generator.mjs"), DMMF_GENERATOR);
  writeFileSync(join(incomplete, "connect.ts"), CONNECT);
  run(
    process.execPath,
    [join(installation, "node_modules", "prisma", "build", "index.js"), "generate", "--no-hints"],
    incomplete,
    {
      // There is none: nothing here migrates.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      CHECKPOINT_DISABLE: "1",
      PRISMA_HIDE_UPDATE_MESSAGE: "1",
    },
  );
  renameSync(incomplete, generated);
  return generated;
}

function generators(directory: string): string {
  return `
generator client {
  provider               = "prisma-client"
  output                 = "./client"
  runtime                = "nodejs"
  moduleFormat           = "esm"
  generatedFileExtension = "ts"
  importFileExtension    = "ts"
}
generator dmmf {
  provider = "${process.execPath} ${join(directory, "dmmf-generator.mjs")}"
  output   = "."
}
`;
}

/** Prisma's protocol for generators: a request of JSON-RPC a line on standard input, its answer on standard error. */
const DMMF_GENERATOR = `
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (method === "generate") writeFileSync(new URL("./dmmf.json", import.meta.url), JSON.stringify(params.dmmf));
  const result = method === "getManifest" ? { manifest: { prettyName: "DMMF", defaultOutput: "." } } : null;
  process.stderr.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
}
`;

const CONNECT = `
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "./client/client.ts";

export function connect(connectionString: string, schema: string): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString }, { schema }) });
}
`;

function run(command: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): void {
  // npm tells its children what it was run for; this is another project.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^npm_(package|lifecycle|config_(local_)?prefix)/.test(name),
  );
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...Object.fromEntries(own), ...env },
  });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(" ")} in ${cwd} failed: ${error?.message ?? ""}\n${stdout}${stderr}`);
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
