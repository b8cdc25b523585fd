import { expect } from "vitest";
import { ADA, begin, conversationRow, history, MESSAGES, save } from "./changes-fixture.ts";
import { expectProblem } from "./problem.ts";
import { createServices, newSchema, test } from "./services.ts";

test("of 20 edits that expect the same version, one wins", async ({ services }) => {
  await begin(services, 1);
  const edits = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: `edit ${i}`, expected_version: 1 }),
    ),
  );
  expect(edits.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(19).fill(409)]);
  const winner = edits.find(({ status }) => status === 200);
  expect(await history(services)).toEqual([winner?.json]);
});

test("of 20 deletions of the same message at once, one succeeds and it is counted once", async ({ services }) => {
  await begin(services, 2);
  const deletions = await Promise.all(Array.from({ length: 20 }, () => services.call(ADA, "DELETE", `${MESSAGES}/m1`)));
  expect(deletions.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
    200,
    ...Array<number>(19).fill(404),
  ]);
  expect((await services.call(ADA, "GET", "/api/conversations/c")).json.message_count).toBe(1);
});

test("40 edits, 40 appends and 10 deletions at once are 90 changes, each of its own version", async ({ services }) => {
  await begin(services, 20);
  const before = Number((await conversationRow(services)).version);
  const edits = Array.from({ length: 40 }, (_, i) =>
    services.call(ADA, "PATCH", `${MESSAGES}/m${(i % 5) + 1}`, { content: `edit ${i}` }),
  );
  const appends = Array.from({ length: 40 }, (_, i) =>
    save(services, { id: `new${i}`, role: "user", content: `new ${i}` }),
  );
  const deletions = Array.from({ length: 10 }, (_, i) => services.call(ADA, "DELETE", `${MESSAGES}/m${i + 11}`));
  const answers = await Promise.all([...edits, ...appends, ...deletions]);
  expect(answers.every(({ status }) => status < 300)).toBe(true);

  expect(await conversationRow(services)).toEqual({
    version: String(before + 90),
    last_seq: "60",
    message_count: "50",
  });
  const messages = await history(services);
  expect(messages.length).toBe(50);
  expect(messages.slice(0, 5).map(({ version }) => version)).toEqual([9, 9, 9, 9, 9]);
  expect(messages.filter(({ id }) => id.startsWith("new")).map(({ seq }) => seq)).toEqual(
    Array.from({ length: 40 }, (_, i) => 21 + i),
  );
});

test("the same message 50 times at once is stored once, and everybody gets it", async ({ services }) => {
  await begin(services, 0);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => save(services, { id: "m1", role: "user", content: "x" })),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array<number>(49).fill(200), 201]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(await history(services)).toHaveLength(1);
  expect(await conversationRow(services)).toMatchObject({ last_seq: "1", message_count: "1" });
});

test("one id with two bodies at once: one is stored, the other is a conflict", async ({ services }) => {
  await begin(services, 0);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => save(services, { id: "m1", role: "user", content: `body ${i % 2}` })),
  );
  const [stored] = await history(services);
  for (const [i, answer] of answers.entries()) {
    if (`body ${i % 2}` === stored?.content) expect(answer.json).toEqual(stored);
    else expectProblem(answer, "message_id_conflict");
  }
});

test("two messages in one millisecond keep their order, and times never run backwards", async ({ services }) => {
  await begin(services, 0);
  await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      save(services, {
        messages: [
          { role: "user", content: `${i}a` },
          { role: "assistant", content: `${i}b` },
        ],
      }),
    ),
  );
  const messages = await history(services);
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
  for (const [i, message] of messages.entries()) {
    const previous = messages[i - 1];
    if (previous) expect(message.created_at >= previous.created_at).toBe(true);
    if (i % 2 === 1) expect(message.content).toBe(previous?.content.replace("a", "b"));
  }
  expect(new Set(messages.map(({ created_at }) => created_at)).size).toBeLessThan(120);
});

test("overlapping batches at once store each message once, each batch whole", async ({ services }) => {
  await begin(services, 0);
  const batch = (first: number): object => ({
    messages: Array.from({ length: 10 }, (_, i) => ({
      id: `m${first + i}`,
      role: "user",
      content: `text ${first + i}`,
    })),
  });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => save(services, batch(i * 2))));
  for (const { status, json } of answers) {
    expect(status).toBeLessThan(300);
    expect(json.messages).toHaveLength(10);
  }
  const messages = await history(services);
  expect(new Set(messages.map(({ id }) => id)).size).toBe(48);
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 48 }, (_, i) => i + 1));
});

test("saves to many conversations at once each find their own, and one that is not there fails alone", async ({
  services,
}) => {
  for (let i = 0; i < 8; i += 1) await services.call(ADA, "POST", "/api/conversations", { id: `c${i}` });
  const answers = await Promise.all(
    Array.from({ length: 80 }, (_, i) =>
      services.call(ADA, "POST", `/api/conversations/c${i % 10}/messages`, { role: "user", content: `to c${i % 10}` }),
    ),
  );
  for (const [i, answer] of answers.entries()) {
    if (i % 10 >= 8) expectProblem(answer, "conversation_not_found");
    else expect(answer.json).toMatchObject({ conversation_id: `c${i % 10}`, content: `to c${i % 10}` });
  }
});

test("without batching the same promises hold", async () => {
  const { databaseUrl, drop } = await newSchema();
  const services = await createServices({ databaseUrl, appendBatching: false });
  await begin(services, 0);
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => save(services, { id: `m${i % 15}`, role: "user", content: `${i % 15}` })),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
    ...Array<number>(15).fill(200),
    ...Array<number>(15).fill(201),
  ]);
  expect((await history(services)).map(({ seq }) => seq)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  await services.close();
  await drop();
});
