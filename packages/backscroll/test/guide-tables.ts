import pg from "pg";
import { onTestFinished } from "vitest";
import type { PrismaClient } from "./prisma-client.ts";
import { generatePrisma } from "./prisma-client.ts";
import { newSchema } from "./services.ts";

/** The guide's models, as it has them, for Prisma 7. */
const SCHEMA = `
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
  role            String
  content         String   @db.Text
  tokens_used     Int?
  latency_ms      Int?
  created_at      DateTime @default(now())

  conversation Conversation @relation(fields: [conversation_id], references: [id], onDelete: Cascade)

  @@index([conversation_id, created_at])
  @@index([created_at])
}
`;

/** What `prisma migrate` makes of it. */
const TABLES = `
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
ALTER TABLE "Message" ADD CONSTRAINT "Message_conversation_id_fkey" FOREIGN KEY ("conversation_id")
  REFERENCES "Conversation"("id") ON DELETE CASCADE ON UPDATE CASCADE;
`;

export interface Guide {
  /** as an app of Prisma's has it */
  readonly url: string;
  readonly sql: pg.Client;
  /** a client that is generated from the guide's schema */
  connect(): Promise<PrismaClient>;
}

/** The guide's tables, empty, in a schema of their own; dropped when the test is over. */
export async function newGuide(): Promise<Guide> {
  const { databaseUrl, drop } = await newSchema();
  const sql = new pg.Client({ connectionString: databaseUrl });
  await sql.connect();
  await sql.query(TABLES);
  onTestFinished(async () => {
    await sql.end();
    await drop();
  });
  const url = new URL(databaseUrl);
  const schema = /search_path=(\w+)/.exec(url.searchParams.get("options") ?? "")?.[1] ?? "";
  url.searchParams.delete("options");
  url.searchParams.set("schema", schema);
  url.searchParams.set("connection_limit", "5");
  return { url: url.href, sql, connect: async () => (await generatePrisma(SCHEMA)).connect(databaseUrl) };
}
