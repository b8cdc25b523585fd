import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { ADA, MESSAGES, read, startCached } from "./cache-fixture.ts";
import {
  expectEverybodyShows,
  expectInOrder,
  expectTruthFromCache,
  inMemory,
  startWriter,
  TWO_SERVERS,
} from "./past-service.ts";
import { type GeneratedPrisma, generatePrisma, type PrismaClient } from "./prisma-client.ts";
import type { Services } from "./services.ts";

let prisma: GeneratedPrisma;
beforeAll(async () => {
  prisma = await generatePrisma(readFileSync(new URL("../prisma/schema.prisma", import.meta.url), "utf8"));
}, 300_000);

interface Started {
  readonly servers: readonly [Services, Services];
  /** another client each: as two processes of an app */
  readonly clients: readonly [PrismaClient, PrismaClient];
  /** of Ada's conversation `c`, which has `m1` */
  readonly at: { readonly userId: bigint; readonly conversationId: string };
}

async function withClients(servers: readonly [Services, Services]): Promise<Started> {
  const { databaseUrl } = servers[0];
  const { userId, conversationId } = await startWriter(servers[0]);
  return {
    servers,
    clients: [await prisma.connect(databaseUrl), await prisma.connect(databaseUrl)],
    at: { userId: BigInt(userId), conversationId },
  };
}

const SETUPS = TWO_SERVERS.map(([cache, start]) => [cache, async () => withClients(await start(["m1"]))] as const);

const said = (content: string, role = "user"): { role: string; content: string } => ({ role, content });

test.for(SETUPS)(
  "reads what the service wrote, in order and with what belongs to it, with the cache %s",
  async ([, start]) => {
    const { servers, clients, at } = await start();
    const [services] = servers;
    const parts = [{ type: "text", text: "two" }];
    await services.call(ADA, "POST", MESSAGES, {
      id: "m2",
      role: "assistant",
      content: "two",
      parts,
      tokens_used: 12,
      metadata: { a: 1 },
    });
    await services.call(ADA, "PUT", "/api/sessions/tab", { conversation_id: "c", context: { city: "Rome" } });
    const user = await clients[0].user.findUnique({
      where: { issuer_subject: { issuer: "local", subject: ADA } },
      include: { conversations: { include: { messages: { orderBy: { seq: "asc" } }, sessions: true } } },
    });
    expect(user).toMatchObject({ id: at.userId, email: ADA });
    const [conversation] = user.conversations;
    expect(conversation).toMatchObject({
      id: at.conversationId,
      clientId: "c",
      messageCount: 2n,
      lastSeq: 2n,
      metadata: {},
    });
    expect(conversation.sessions).toMatchObject([{ sessionId: "tab", context: { city: "Rome" } }]);
    expect(conversation.messages).toMatchObject([
      { seq: 1n, clientId: "m1", role: "user", content: "text of m1", status: "complete", version: 1 },
      { seq: 2n, clientId: "m2", role: "assistant", parts, tokensUsed: 12, metadata: { a: 1 } },
    ]);
  },
);

test.for(SETUPS)(
  "create, createMany, createManyAndReturn and a transaction: every server shows the rows at once, in order %s",
  async ([, start]) => {
    const { servers, clients, at } = await start();
    const [db] = clients;
    const shown = ["m1"];
    const one = await db.message.create({ data: { ...at, ...said("one") } });
    expect(one).toMatchObject({ ...at, seq: 2n, content: "one", status: "complete", version: 1 });
    expect(one.createdAt).toBeInstanceOf(Date);
    shown.unshift(one.id);
    await expectEverybodyShows(servers, shown);

    const many = await db.message.createManyAndReturn({
      data: ["two", "three", "four"].map((content) => ({ ...at, ...said(content) })),
    });
    expect(many.map(({ seq }: { seq: bigint }) => seq)).toEqual([3n, 4n, 5n]);
    for (const { id } of many) shown.unshift(id);
    await expectEverybodyShows(servers, shown);

    const id = crypto.randomUUID();
    const data = [
      { ...at, ...said("five"), id },
      { ...at, ...said("five again"), id },
    ];
    expect(await db.message.createMany({ data, skipDuplicates: true })).toEqual({ count: 1 });
    expect(await db.message.createMany({ data, skipDuplicates: true })).toEqual({ count: 0 });
    shown.unshift(id);
    await expectEverybodyShows(servers, shown);

    const [six, seven] = await db.$transaction([
      db.message.create({ data: { ...at, ...said("six") } }),
      db.message.create({ data: { ...at, ...said("seven", "assistant"), tokensUsed: 7 } }),
    ]);
    const eight = await db.$transaction(async (tx: PrismaClient) => {
      await tx.message.create({ data: { ...at, ...said("eight") } });
      return tx.message.create({ data: { ...at, ...said("nine") } });
    });
    expect([six.seq, seven.seq, eight.seq]).toEqual([7n, 8n, 10n]);
    await expect
      .poll(async () =>
        (await read(servers[1])).json.messages.map(({ content }: { content: string }) => content).toReversed(),
      )
      .toEqual(["text of m1", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]);
    await expectTruthFromCache(servers);
    await expectInOrder(await startWriter(servers[0]));
  },
);

test("a person, a conversation and its messages in one create: the service goes on with them", async () => {
  const { services } = await startCached(0);
  const db = await prisma.connect(services.databaseUrl);
  const bob = "bob@example.com";
  const user = await db.user.create({
    data: {
      issuer: "local",
      subject: bob,
      email: bob,
      conversations: {
        create: {
          title: "Trip to Rome",
          messages: { create: [said("Where to eat?"), said("Trastevere.", "assistant")] },
        },
      },
    },
    include: { conversations: { include: { messages: { orderBy: { seq: "asc" } } } } },
  });
  const [conversation] = user.conversations;
  expect(conversation).toMatchObject({ title: "Trip to Rome", titleSource: "user" });
  expect(conversation.messages.map(({ seq, content }: { seq: bigint; content: string }) => [seq, content])).toEqual([
    [1n, "Where to eat?"],
    [2n, "Trastevere."],
  ]);
  const { json } = await services.call(bob, "GET", "/api/conversations");
  expect(json.conversations).toMatchObject([
    { conversation_id: conversation.id, title: "Trip to Rome", message_count: 2 },
  ]);
  const turn = await services.call(bob, "POST", "/api/conversations/messages", {
    conversation_id: conversation.id,
    message: "And to drink?",
  });
  expect(turn.json.user_message).toMatchObject({ seq: 3 });
  const usage = await services.call(bob, "GET", "/api/usage");
  expect(usage.status).toBe(200);
});

test.for(SETUPS)(
  "upsert and update: what is stored changes as by an edit, and every server shows it %s",
  async ([, start]) => {
    const { servers, clients, at } = await start();
    const [db] = clients;
    const id = crypto.randomUUID();
    const upsert = (content: string): Promise<{ seq: bigint; version: number; content: string }> =>
      db.message.upsert({
        where: { userId_conversationId_id: { ...at, id } },
        create: { ...at, ...said(content), id },
        update: { content },
      });
    expect(await upsert("first")).toMatchObject({ seq: 2n, version: 1 });
    expect(await upsert("second")).toMatchObject({ seq: 2n, version: 2, content: "second" });
    const updated = await db.message.update({
      where: { userId_conversationId_seq: { ...at, seq: 1n } },
      data: { content: "by Prisma" },
    });
    expect(updated).toMatchObject({ version: 2, editedAt: expect.any(Date) as Date });
    for (const server of servers)
      await expect
        .poll(async () => (await read(server)).json.messages.map(({ content }: { content: string }) => content))
        .toEqual(["second", "by Prisma"]);
    await expectTruthFromCache(servers);
    await db.conversation.update({
      where: { userId_id: { userId: at.userId, id: at.conversationId } },
      data: { deletedAt: new Date() },
    });
    for (const server of servers) await expect.poll(async () => (await read(server)).status).toBe(404);
    await expect(db.message.create({ data: { ...at, ...said("late") } })).rejects.toThrow("is in the trash");
  },
);

test.for(SETUPS)(
  "two clients and two servers at once: no gap, no message lost, and the caches have what the database has %s",
  async ([, start]) => {
    const { servers, clients, at } = await start();
    const written: Promise<unknown>[] = [];
    for (let n = 0; n < 20; n += 1) {
      for (const [index, client] of clients.entries()) {
        written.push(client.message.create({ data: { ...at, ...said(`client ${index}: ${n}`) } }));
        written.push(read(servers[index] as Services));
        const body = { role: "user", content: `server ${index}: ${n}` };
        written.push((servers[index] as Services).call(ADA, "POST", MESSAGES, body));
      }
      await clients[n % 2]?.message.createMany({ data: [said("a"), said("b")].map((each) => ({ ...at, ...each })) });
    }
    await Promise.all(written);
    // Last: two servers with a cache in memory tell each other nothing of what goes through them.
    await clients[1].message.create({ data: { ...at, ...said("last") } });
    await expectInOrder(await startWriter(servers[0]));
    const rows = await clients[0].message.findMany({ where: at, orderBy: { seq: "asc" } });
    expect(rows).toHaveLength(2 + 20 * 6);
    const { json } = await read(servers[0], "?consistency=strong");
    await expectEverybodyShows(servers, json.messages.map((message: { id: string }) => message.id) as string[]);
    await expectTruthFromCache(servers);
  },
);

test("a conversation that is not there is a foreign key's error, as Prisma has it", async () => {
  const { clients, at } = await withClients(await inMemory(["m1"]));
  const data = { ...at, conversationId: crypto.randomUUID(), ...said("nowhere") };
  await expect(clients[0].message.create({ data })).rejects.toMatchObject({ code: "P2003" });
  const id = crypto.randomUUID();
  await clients[0].message.create({ data: { ...at, ...said("once"), id } });
  await expect(clients[0].message.create({ data: { ...at, ...said("twice"), id } })).rejects.toMatchObject({
    code: "P2002",
  });
});

const PROGRAM = `
import { PrismaClient, type Message } from "./client.ts";

export async function write(db: PrismaClient, userId: bigint, conversationId: string): Promise<bigint> {
  const message: Message = await db.message.create({ data: { userId, conversationId, role: "user", content: "Hello" } });
  await db.conversation.create({ data: { userId, title: "Trip", messages: { create: [{ role: "user", content: "Hello" }] } } });
  // @ts-expect-error -- a message says something
  await db.message.create({ data: { userId, conversationId, role: "user" } });
  return message.seq;
}
`;

test("the generated types ask for neither seq nor id nor a time", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(prisma.directory, "..", "types-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, "program.ts"),
    PROGRAM.replace("./client.ts", join(prisma.directory, "client", "client.ts")),
  );
  const compilerOptions = {
    target: "es2024",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    types: ["node"],
    typeRoots: [fileURLToPath(new URL("../../../node_modules/@types", import.meta.url))],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["program.ts"] }));
  const { status, stdout } = spawnSync("tsc", ["-p", folder], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});
