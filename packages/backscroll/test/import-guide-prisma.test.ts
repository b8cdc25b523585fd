import { beforeAll, expect } from "vitest";
import { ADA, GUIDE_SCHEMA, guideTables, imported, shown } from "./import-guide-fixture.ts";
import { type GeneratedPrisma, generatePrisma } from "./prisma-client.ts";
import { test } from "./services.ts";

let prisma: GeneratedPrisma;
beforeAll(async () => {
  prisma = await generatePrisma(GUIDE_SCHEMA);
}, 300_000);

test("what a Prisma client of the guide's schema wrote comes over as it wrote it, in two runs", async ({
  services,
}) => {
  const guide = await guideTables();
  const client = await prisma.connect(guide.databaseUrl);
  /** As the guide's `create_conversation` and `save_message` do it; with one time for a question and its answer. */
  const turn = async (conversation_id: string, n: number, created_at: Date): Promise<void> => {
    await client["message"].create({ data: { conversation_id, role: "user", content: `question ${n}`, created_at } });
    await client["message"].create({
      data: {
        conversation_id,
        role: "assistant",
        content: `answer ${n}`,
        tokens_used: n,
        latency_ms: 10 * n,
        created_at,
      },
    });
  };
  const conversations: { id: string; title: string; created_at: Date }[] = [];
  for (const title of ["Trip to Rome", "New Conversation"]) {
    conversations.push(
      await client["conversation"].create({ data: { user_email: ADA, title, created_at: new Date() } }),
    );
  }
  // A frozen clock: everything of the second one has the same time.
  const frozen = new Date();
  for (let n = 0; n < 10; n += 1) {
    for (const [index, { id }] of conversations.entries()) await turn(id, n, index === 0 ? new Date() : frozen);
  }
  const wanted = Array.from({ length: 10 }, (_, n) => [`question ${n}`, `answer ${n}`]).flat();

  const first = await imported(services, guide);
  expect(first).toMatchObject({ conversationsCreated: 2, messagesSaved: 40, messagesVerified: 40, messagesMoved: 0 });
  expect(first.ties).toMatchObject({ roles: 0, id: 0 });
  expect(first.ties.id_time).toBeGreaterThanOrEqual(20);
  for (const { id, title, created_at } of conversations) {
    expect(id).toMatch(/^c[0-9a-z]{24}$/);
    expect((await shown(services, id)).map(({ content }) => content)).toEqual(wanted);
    const { json } = await services.call(ADA, "GET", `/api/conversations/${id}`);
    expect(json).toMatchObject({ conversation_id: id, title, created_at: created_at.toISOString(), message_count: 20 });
  }
  const written = await client["message"].findMany({ where: { conversation_id: conversations[0]?.id } });
  const byId = new Map((await shown(services, conversations[0]?.id ?? "")).map((message) => [message.id, message]));
  for (const { id, role, content, tokens_used, latency_ms, created_at } of written) {
    expect(byId.get(id)).toMatchObject({
      role,
      content,
      tokens_used,
      latency_ms,
      created_at: created_at.toISOString(),
    });
  }

  await turn(conversations[0]?.id ?? "", 10, new Date());
  await client["conversation"].create({
    data: { user_email: ADA, title: "Nested", messages: { create: { role: "user", content: "by its default time" } } },
  });
  expect(await imported(services, guide)).toMatchObject({
    conversationsCreated: 1,
    conversationsExisting: 2,
    messagesSaved: 3,
    messagesSkipped: 40,
    messagesVerified: 43,
  });
  const saved = await services.call(ADA, "POST", `/api/conversations/${conversations[0]?.id}/messages`, {
    role: "user",
    content: "and on it goes",
  });
  expect(saved.status).toBe(201);
});
