import pg from "pg";
import { expect, onTestFinished } from "vitest";
import type { Role } from "../src/domain/message.ts";
import { openGuide } from "../src/postgres/guide-source.ts";
import { parseGuideUrl } from "../src/postgres/guide-url.ts";
import type { GuideError, GuideImport } from "../src/service/guide-run.ts";
import { importGuide } from "../src/service/import-guide.ts";
import { newSchema, type Services } from "./services.ts";

/** The guide's schema, and what `prisma migrate` makes of it. */
export const GUIDE_SCHEMA = `
datasource db {
  provider = "postgresql"
}

model Conversation {
  id         String    @id @default(cuid())
  user_email String
  title      String
  created_at DateTime  @default(now())
  updated_at DateTime  @updatedAt

  messages   Message[]

  @@index([user_email])
  @@index([created_at])
}

model Message {
  id              String   @id @default(cuid())
  conversation_id String
  role            String   // "user", "assistant", "system"
  content         String   @db.Text
  tokens_used     Int?
  latency_ms      Int?
  created_at      DateTime @default(now())

  conversation Conversation @relation(fields: [conversation_id], references: [id], onDelete: Cascade)

  @@index([conversation_id, created_at])
  @@index([created_at])
}
`;

const DDL = `
CREATE TABLE "Conversation" (
    "id" TEXT NOT NULL,
    "user_email" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Conversation_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Message" (
    "id" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "tokens_used" INTEGER,
    "latency_ms" INTEGER,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Message_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "Conversation_user_email_idx" ON "Conversation"("user_email");
CREATE INDEX "Conversation_created_at_idx" ON "Conversation"("created_at");
CREATE INDEX "Message_conversation_id_created_at_idx" ON "Message"("conversation_id", "created_at");
CREATE INDEX "Message_created_at_idx" ON "Message"("created_at");
ALTER TABLE "Message" ADD CONSTRAINT "Message_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "Conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;
`;

interface GuideRow {
  readonly id: string;
  readonly role?: string;
  readonly content?: string;
  readonly tokens_used?: number | null;
  readonly latency_ms?: number | null;
  /** as PostgreSQL reads it, in UTC */
  readonly created_at?: string;
}

/** An app's database with the guide's tables. */
export interface Guide {
  readonly databaseUrl: string;
  run(sql: string, values?: readonly unknown[]): Promise<void>;
  conversation(id: string, messages?: readonly GuideRow[], more?: Partial<Record<string, string>>): Promise<void>;
  messages(conversationId: string, rows: readonly GuideRow[]): Promise<void>;
}

export const ADA = "ada@example.com";

/** @param databaseUrl where the tables are made; by default in a schema of their own */
export async function guideTables(databaseUrl?: string): Promise<Guide> {
  let url = databaseUrl;
  if (url === undefined) {
    const schema = await newSchema();
    onTestFinished(schema.drop);
    url = schema.databaseUrl;
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(DDL);
  const guide: Guide = {
    databaseUrl: url,
    run: async (sql, values = []) => void (await client.query(sql, [...values])),
    async conversation(id, messages = [], more = {}) {
      await client.query(
        `insert into "Conversation" (id, user_email, title, created_at, updated_at) values ($1, $2, $3, $4, $5)`,
        [
          id,
          more["user_email"] ?? ADA,
          more["title"] ?? "New Conversation",
          more["created_at"] ?? "2026-01-01 00:00:00",
          more["updated_at"] ?? "2026-01-01 00:00:00",
        ],
      );
      await guide.messages(id, messages);
    },
    async messages(conversationId, rows) {
      await client.query(
        `insert into "Message" (id, conversation_id, role, content, tokens_used, latency_ms, created_at)
         select id, $1, coalesce(role, 'user'), coalesce(content, 'text of ' || id), tokens_used, latency_ms,
                coalesce(created_at, '2026-01-01 00:00:00')
           from json_to_recordset($2) as row (id text, role text, content text, tokens_used integer, latency_ms integer,
                                              created_at timestamp)`,
        [conversationId, JSON.stringify(rows)],
      );
    },
  };
  return guide;
}

export interface GuideOptions {
  readonly verifyOnly?: boolean;
  readonly restoreDeleted?: boolean;
  readonly roles?: Readonly<Record<string, Role>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (soFar: GuideImport, messages: number, total: number) => void;
}

export async function runImport(
  services: Services,
  guide: Guide,
  { roles = {}, ...options }: GuideOptions = {},
): Promise<{ result: GuideImport; errors: GuideError[] }> {
  const source = await openGuide(parseGuideUrl(guide.databaseUrl));
  const errors: GuideError[] = [];
  try {
    const result = await importGuide(services.deps, source, {
      verifyOnly: false,
      restoreDeleted: false,
      roles: new Map(Object.entries(roles)),
      atOnce: 4,
      onError: (error) => errors.push(error),
      onProgress: () => undefined,
      signal: new AbortController().signal,
      ...options,
    });
    return { result, errors };
  } finally {
    await source.close();
  }
}

/** Imports, and nothing may fail. */
export async function imported(services: Services, guide: Guide, options: GuideOptions = {}): Promise<GuideImport> {
  const { result, errors } = await runImport(services, guide, options);
  expect(errors).toEqual([]);
  expect(result.failed).toBe(0);
  return result;
}

export interface Shown {
  readonly id: string;
  readonly seq: number;
  readonly role: string;
  readonly content: string;
  readonly created_at: string;
  readonly tokens_used: number | null;
  readonly latency_ms: number | null;
  readonly metadata: Record<string, unknown> | null;
}

/** @returns as the API shows it, oldest first */
export async function shown(services: Services, conversationId: string, user = ADA): Promise<Shown[]> {
  const { status, text, json } = await services.call(
    user,
    "GET",
    `/api/conversations/${conversationId}/messages?page=1&page_size=200`,
  );
  expect(status, text).toBe(200);
  return json.messages;
}

export async function idsIn(services: Services, conversationId: string, user = ADA): Promise<string[]> {
  return (await shown(services, conversationId, user)).map(({ id }) => id);
}

const base36 = (number: number, length: number): string => number.toString(36).padStart(length, "0");

/** A cuid as Prisma makes it: time, counter, process, randomness. */
export function cuid(at: string | number, count: number, process = "p1h1", random = "zzzzzzzz"): string {
  return `c${base36(new Date(at).getTime(), 8)}${base36(count, 4)}${process}${random}`;
}

export function at(seconds: number, ms = 0): string {
  return new Date(Date.UTC(2026, 0, 1, 12, 0, seconds, ms)).toISOString();
}
