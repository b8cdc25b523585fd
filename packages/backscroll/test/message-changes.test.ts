import { expect } from "vitest";
import { ADA, begin, history, MESSAGES, save, type Stored } from "./changes-fixture.ts";
import { expectProblem } from "./problem.ts";
import { test } from "./services.ts";

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
  expect((await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "two", expected_version: 1 })).status).toBe(
    200,
  );
  for (const expected_version of [1, 3, 2_147_483_647]) {
    expectProblem(
      await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "no", expected_version }),
      "version_conflict",
    );
  }
  expect(await history(services)).toMatchObject([{ content: "two", version: 2 }]);
  expect(
    (await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "three", expected_version: 2 })).json.version,
  ).toBe(3);
});

test("a late retry of a save finds its message, edited since or not; another body is a conflict", async ({
  services,
}) => {
  await begin(services, 0);
  const body = {
    id: "m1",
    role: "assistant",
    content: "first",
    model: "gpt",
    tokens_used: 0,
    latency_ms: 5,
    metadata: { b: [1, { a: null }], a: 1e21 },
    parts: [{ type: "x", z: 1, a: 2 }],
  };
  const saved = await save(services, body);
  expect(saved.status).toBe(201);
  const again = await save(services, body);
  expect(again.status).toBe(200);
  expect(again.text).toBe(saved.text);

  const edited = await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "second" });
  const late = await save(services, body);
  expect(late.status).toBe(200);
  expect(late.json).toEqual(edited.json);
  const others = [
    { content: "second" },
    { role: "user" },
    { model: null },
    { tokens_used: null },
    { latency_ms: 6 },
    { metadata: { a: 1e21 } },
    { parts: [{ type: "x", z: 1 }] },
  ];
  for (const other of others) expectProblem(await save(services, { ...body, ...other }), "message_id_conflict");
  expect(await history(services)).toEqual([edited.json]);
});

test("a retry with numbers that JSON writes in two ways is the same body", async ({ services }) => {
  await begin(services, 0);
  const body =
    '{"id":"m1","role":"user","content":"x","metadata":{"zero":-0,"one":1.0,"big":1e2},"parts":[{"type":"x","zero":-0}]}';
  expect((await save(services, body)).status).toBe(201);
  expect((await save(services, body)).status).toBe(200);
});

test("metadata and parts come back with every key they had", async ({ services }) => {
  await begin(services, 0);
  const body =
    '{"id":"m1","role":"user","content":"x","metadata":{"__proto__":{"a":1},"constructor":1,"toJSON":2,"":3},"parts":[{"type":"x","__proto__":{"a":1},"toString":"y"}]}';
  const saved = await save(services, body);
  expect(Object.keys(saved.json.metadata).toSorted()).toEqual(["", "__proto__", "constructor", "toJSON"]);
  expect(Object.keys(saved.json.parts[0])).toEqual(["type", "__proto__", "toString"]);
  expect((await save(services, body)).status).toBe(200);
});

test("a deleted message is gone from every reading, and the others keep their places", async ({ services }) => {
  await begin(services, 3);
  expect((await services.call(ADA, "DELETE", `${MESSAGES}/m2`)).json).toEqual({
    message: "Message deleted successfully",
  });
  expect((await history(services)).map(({ id, seq }) => [id, seq])).toEqual([
    ["m1", 1],
    ["m3", 3],
  ]);
  expect((await services.call(ADA, "GET", MESSAGES)).json.messages.map(({ id }: Stored) => id)).toEqual(["m3", "m1"]);
  expect((await services.call(ADA, "GET", "/api/conversations/c")).json).toMatchObject({
    message_count: 2,
    last_message_preview: "text 3",
  });
  for (const answer of [
    await services.call(ADA, "DELETE", `${MESSAGES}/m2`),
    await services.call(ADA, "PATCH", `${MESSAGES}/m2`, { content: "x" }),
    await services.call(ADA, "GET", `${MESSAGES}?around=m2`),
  ]) {
    expectProblem(answer, "message_not_found");
  }
  expect((await save(services, { id: "m2", role: "user", content: "anew" })).json).toMatchObject({
    seq: 4,
    version: 1,
  });
});

test("a batch that is there in part is completed by its retry, in the order given", async ({ services }) => {
  await begin(services, 3);
  const messages = ["m2", "new1", "m1", "new2", "m3"].map((id) => ({
    id,
    role: "user",
    content: id.startsWith("m") ? `text ${id.slice(1)}` : id,
  }));
  const completed = await save(services, { messages });
  expect(completed.status).toBe(201);
  expect(completed.json.messages.map(({ id, seq }: Stored) => [id, seq])).toEqual([
    ["m2", 2],
    ["new1", 4],
    ["m1", 1],
    ["new2", 5],
    ["m3", 3],
  ]);
  const again = await save(services, { messages });
  expect([again.status, again.text]).toEqual([200, completed.text]);
  expectProblem(
    await save(services, {
      messages: [
        { role: "user", content: "lost?" },
        { ...messages[0], content: "other" },
      ],
    }),
    "message_id_conflict",
  );
  expect(await history(services)).toHaveLength(5);
});
