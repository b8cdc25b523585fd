import { expect } from "vitest";
import { expectProblem } from "./problem.ts";
import { type Answer, createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const MESSAGES = "/api/conversations/c/messages";

interface Stored {
  readonly id: string;
  readonly seq: number;
  readonly content: string;
  readonly version: number;
  readonly created_at: string;
  readonly edited_at: string | null;
}

async function save(services: Services, body: unknown): Promise<Answer> {
  return services.call(ADA, "POST", MESSAGES, body);
}

/** A conversation `c` with the messages `m1` … `m<n>`. */
async function begin(services: Services, n: number): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  if (n === 0) return;
  const messages = Array.from({ length: n }, (_, i) => ({ id: `m${i + 1}`, role: "user", content: `text ${i + 1}` }));
  expect((await save(services, { messages })).status).toBe(201);
}

async function history(services: Services): Promise<Stored[]> {
  const { json } = await services.call(ADA, "GET", `${MESSAGES}?page=1&page_size=200`);
  expect(json.pagination.total).toBe(json.messages.length);
  return json.messages;
}

async function conversationRow(services: Services): Promise<{ version: string; last_seq: string; message_count: string }> {
  const { rows } = await services.deps.db.pool.query("select version, last_seq, message_count from conversations");
  return rows[0];
}

test("an edit adds one to the version and says when, and changes nothing else", async ({ services }) => {
  await begin(services, 2);
  const [before] = await history(services);
  for (const [index, content] of ["once", "twice", ""].entries()) {
    const { status, json } = await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content });
    expect(status).toBe(200);
    expect(json).toEqual({ ...before, content, version: index + 2, edited_at: expect.any(String) });
    expect(json.edited_at >= json.created_at).toBe(true);
    expect((await history(services))[0]).toEqual(json);
  }
  expect((await history(services))[1]).toMatchObject({ id: "m2", version: 1, edited_at: null });
});

test("an edit of another version than expected changes nothing", async ({ services }) => {
  await begin(services, 1);
  expect((await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "two", expected_version: 1 })).status).toBe(200);
  for (const expected_version of [1, 3, 2_147_483_647]) {
    expectProblem(await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "no", expected_version }), "version_conflict");
  }
  expect(await history(services)).toMatchObject([{ content: "two", version: 2 }]);
  expect((await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "three", expected_version: 2 })).json.version).toBe(3);
});

test("of 20 edits that expect the same version, one wins", async ({ services }) => {
  await begin(services, 1);
  const edits = await Promise.all(
    Array.from({ length: 20 }, (_, i) => services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: `edit ${i}`, expected_version: 1 })),
  );
  expect(edits.map(({ status }) => status).toSorted()).toEqual([200, ...Array<number>(19).fill(409)]);
  const winner = edits.find(({ status }) => status === 200);
  expect(await history(services)).toEqual([winner?.json]);
});

test("a late retry of a save finds its message, edited since or not; another body is a conflict", async ({ services }) => {
  await begin(services, 0);
  const body = { id: "m1", role: "assistant", content: "first", model: "gpt", tokens_used: 0, latency_ms: 5, metadata: { b: [1, { a: null }], a: 1e21 }, parts: [{ type: "x", z: 1, a: 2 }] };
  const saved = await save(services, body);
  expect(saved.status).toBe(201);
  const again = await save(services, body);
  expect(again.status).toBe(200);
  expect(again.text).toBe(saved.text);

  const edited = await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "second" });
  const late = await save(services, body);
  expect(late.status).toBe(200);
  expect(late.json).toEqual(edited.json);
  const others = [{ content: "second" }, { role: "user" }, { model: null }, { tokens_used: null }, { latency_ms: 6 }, { metadata: { a: 1e21 } }, { parts: [{ type: "x", z: 1 }] }];
  for (const other of others) expectProblem(await save(services, { ...body, ...other }), "message_id_conflict");
  expect(await history(services)).toEqual([edited.json]);
});

test("a retry with numbers that JSON writes in two ways is the same body", async ({ services }) => {
  await begin(services, 0);
  const body = '{"id":"m1","role":"user","content":"x","metadata":{"zero":-0,"one":1.0,"big":1e2},"parts":[{"type":"x","zero":-0}]}';
  expect((await save(services, body)).status).toBe(201);
  expect((await save(services, body)).status).toBe(200);
});

test("metadata and parts come back with every key they had", async ({ services }) => {
  await begin(services, 0);
  const body = '{"id":"m1","role":"user","content":"x","metadata":{"__proto__":{"a":1},"constructor":1,"toJSON":2,"":3},"parts":[{"type":"x","__proto__":{"a":1},"toString":"y"}]}';
  const saved = await save(services, body);
  expect(Object.keys(saved.json.metadata).toSorted()).toEqual(["", "__proto__", "constructor", "toJSON"]);
  expect(Object.keys(saved.json.parts[0])).toEqual(["type", "__proto__", "toString"]);
  expect((await save(services, body)).status).toBe(200);
});

test("a deleted message is gone from every reading, and the others keep their places", async ({ services }) => {
  await begin(services, 3);
  expect((await services.call(ADA, "DELETE", `${MESSAGES}/m2`)).json).toEqual({ message: "Message deleted successfully" });
  expect((await history(services)).map(({ id, seq }) => [id, seq])).toEqual([["m1", 1], ["m3", 3]]);
  expect((await services.call(ADA, "GET", MESSAGES)).json.messages.map(({ id }: Stored) => id)).toEqual(["m3", "m1"]);
  expect((await services.call(ADA, "GET", "/api/conversations/c")).json).toMatchObject({ message_count: 2, last_message_preview: "text 3" });
  for (const answer of [
    await services.call(ADA, "DELETE", `${MESSAGES}/m2`),
    await services.call(ADA, "PATCH", `${MESSAGES}/m2`, { content: "x" }),
    await services.call(ADA, "GET", `${MESSAGES}?around=m2`),
  ]) {
    expectProblem(answer, "message_not_found");
  }
  expect((await save(services, { id: "m2", role: "user", content: "anew" })).json).toMatchObject({ seq: 4, version: 1 });
});

test("of 20 deletions of the same message at once, one succeeds and it is counted once", async ({ services }) => {
  await begin(services, 2);
  const deletions = await Promise.all(Array.from({ length: 20 }, () => services.call(ADA, "DELETE", `${MESSAGES}/m1`)));
  expect(deletions.map(({ status }) => status).toSorted()).toEqual([200, ...Array<number>(19).fill(404)]);
  expect((await services.call(ADA, "GET", "/api/conversations/c")).json.message_count).toBe(1);
});

test("40 edits, 40 appends and 10 deletions at once are 90 changes, each of its own version", async ({ services }) => {
  await begin(services, 20);
  const before = Number((await conversationRow(services)).version);
  const edits = Array.from({ length: 40 }, (_, i) => services.call(ADA, "PATCH", `${MESSAGES}/m${(i % 5) + 1}`, { content: `edit ${i}` }));
  const appends = Array.from({ length: 40 }, (_, i) => save(services, { id: `new${i}`, role: "user", content: `new ${i}` }));
  const deletions = Array.from({ length: 10 }, (_, i) => services.call(ADA, "DELETE", `${MESSAGES}/m${i + 11}`));
  const answers = await Promise.all([...edits, ...appends, ...deletions]);
  expect(answers.every(({ status }) => status < 300)).toBe(true);

  expect(await conversationRow(services)).toEqual({ version: String(before + 90), last_seq: "60", message_count: "50" });
  const messages = await history(services);
  expect(messages.length).toBe(50);
  expect(messages.slice(0, 5).map(({ version }) => version)).toEqual([9, 9, 9, 9, 9]);
  expect(messages.filter(({ id }) => id.startsWith("new")).map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => 21 + i));
});

test("the same message 50 times at once is stored once, and everybody gets it", async ({ services }) => {
  await begin(services, 0);
  const answers = await Promise.all(Array.from({ length: 50 }, () => save(services, { id: "m1", role: "user", content: "x" })));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array<number>(49).fill(200), 201]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(await history(services)).toHaveLength(1);
  expect(await conversationRow(services)).toMatchObject({ last_seq: "1", message_count: "1" });
});

test("one id with two bodies at once: one is stored, the other is a conflict", async ({ services }) => {
  await begin(services, 0);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => save(services, { id: "m1", role: "user", content: `body ${i % 2}` })));
  const [stored] = await history(services);
  for (const [i, answer] of answers.entries()) {
    if (`body ${i % 2}` === stored?.content) expect(answer.json).toEqual(stored);
    else expectProblem(answer, "message_id_conflict");
  }
});

test("two messages in one millisecond keep their order, and times never run backwards", async ({ services }) => {
  await begin(services, 0);
  await Promise.all(Array.from({ length: 60 }, (_, i) => save(services, { messages: [{ role: "user", content: `${i}a` }, { role: "assistant", content: `${i}b` }] })));
  const messages = await history(services);
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
  for (const [i, message] of messages.entries()) {
    const previous = messages[i - 1];
    if (previous) expect(message.created_at >= previous.created_at).toBe(true);
    if (i % 2 === 1) expect(message.content).toBe(previous?.content.replace("a", "b"));
  }
  expect(new Set(messages.map(({ created_at }) => created_at)).size).toBeLessThan(120);
});

test("a batch that is there in part is completed by its retry, in the order given", async ({ services }) => {
  await begin(services, 3);
  const messages = ["m2", "new1", "m1", "new2", "m3"].map((id) => ({ id, role: "user", content: id.startsWith("m") ? `text ${id.slice(1)}` : id }));
  const completed = await save(services, { messages });
  expect(completed.status).toBe(201);
  expect(completed.json.messages.map(({ id, seq }: Stored) => [id, seq])).toEqual([["m2", 2], ["new1", 4], ["m1", 1], ["new2", 5], ["m3", 3]]);
  const again = await save(services, { messages });
  expect([again.status, again.text]).toEqual([200, completed.text]);
  expectProblem(await save(services, { messages: [{ role: "user", content: "lost?" }, { ...messages[0], content: "other" }] }), "message_id_conflict");
  expect(await history(services)).toHaveLength(5);
});

test("overlapping batches at once store each message once, each batch whole", async ({ services }) => {
  await begin(services, 0);
  const batch = (first: number): object => ({ messages: Array.from({ length: 10 }, (_, i) => ({ id: `m${first + i}`, role: "user", content: `text ${first + i}` })) });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => save(services, batch(i * 2))));
  for (const { status, json } of answers) {
    expect(status).toBeLessThan(300);
    expect(json.messages).toHaveLength(10);
  }
  const messages = await history(services);
  expect(new Set(messages.map(({ id }) => id)).size).toBe(48);
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 48 }, (_, i) => i + 1));
});

test("saves to many conversations at once each find their own, and one that is not there fails alone", async ({ services }) => {
  for (let i = 0; i < 8; i += 1) await services.call(ADA, "POST", "/api/conversations", { id: `c${i}` });
  const answers = await Promise.all(
    Array.from({ length: 80 }, (_, i) => services.call(ADA, "POST", `/api/conversations/c${i % 10}/messages`, { role: "user", content: `to c${i % 10}` })),
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
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => save(services, { id: `m${i % 15}`, role: "user", content: `${i % 15}` })));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array<number>(15).fill(200), ...Array<number>(15).fill(201)]);
  expect((await history(services)).map(({ seq }) => seq)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  await services.close();
  await drop();
});
