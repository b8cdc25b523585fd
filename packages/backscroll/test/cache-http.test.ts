import { expect, test, vi } from "vitest";
import { ADA, idsOf, keysOf, MESSAGES, read, save, sourceOf, startCached, untilHit } from "./cache-fixture.ts";
import { expectProblem } from "./problem.ts";
import type { Answer, Services } from "./services.ts";

test("the newest messages are a miss and then hits; every other way of reading leaves the cache aside", async () => {
  const { services } = await startCached(25);
  expect(await sourceOf(services)).toBe("miss");
  await untilHit(services);
  for (const query of ["?limit=1", "?limit=19", "?limit=20"]) expect(await sourceOf(services, query)).toBe("hit");
  const cursor: string = (await read(services)).json.next_cursor;
  const others = [
    "page=1",
    "page_size=5",
    "page=2&page_size=20",
    `before=${cursor}`,
    `after=${cursor}`,
    "around=m20",
    "from=2020-01-01T00:00:00Z",
    "to=2100-01-01T00:00:00Z",
    "fields=id,seq",
    "consistency=strong",
    `consistency=strong&limit=5&before=${cursor}`,
  ];
  for (const query of others) expect([query, await sourceOf(services, `?${query}`)]).toEqual([query, "bypass"]);
  expect(await sourceOf(services)).toBe("hit");
});

test("more messages than the cache holds come from PostgreSQL, unless it holds the whole conversation", async () => {
  const { services } = await startCached(20);
  await untilHit(services);
  for (const limit of [20, 21, 200])
    expect([limit, await sourceOf(services, `?limit=${limit}`)]).toEqual([limit, "hit"]);
  await save(services, "m21");
  for (const limit of [21, 200, 21]) {
    expect([limit, await sourceOf(services, `?limit=${limit}`)]).toEqual([limit, "miss"]);
  }
  expect((await idsOf(services, "?limit=200")).length).toBe(21);
  expect(await sourceOf(services, "?limit=20")).toBe("hit");
});

test("an unknown consistency is refused", async () => {
  const { services } = await startCached(0);
  for (const query of ["?consistency=weak", "?consistency=", "?consistency=strong&consistency=strong"]) {
    const answer = await read(services, query);
    expect([query, answer.status]).toEqual([query, 400]);
    expectProblem(answer, "invalid_request");
  }
});

/** What is hard to keep as it is. */
const CONTENTS = [
  "",
  "\u0001 \t\r\n \u007F \u2028 \u2029 \uFEFF",
  '"quoted" \\ / <script> &amp; ^',
  "e\u0301 ≠ é, 👩‍👩‍👧, \u{10FFFF}, עברית, ไทย",
  "long ".repeat(8_000),
];

async function saveHardOnes(services: Services): Promise<void> {
  const messages = CONTENTS.map((content, i) => ({
    id: `hard-${i}`,
    role: i % 2 === 0 ? "user" : "assistant",
    content,
    parts: [{ type: "tool-call", z: 1.0, a: { "": [null, "\u2028"], é: -0.5 } }],
    metadata: { [content.slice(0, 50)]: [{}, []], n: 1e21 },
    model: "é",
    tokens_used: 0,
  }));
  for (const body of [{ messages: messages.slice(0, 3) }, ...messages.slice(3)]) {
    expect((await services.call(ADA, "POST", MESSAGES, body)).status).toBe(201);
  }
}

/** @returns everything a caller sees, but where it came from and which request it was */
function shownOf({ status, headers, text }: Answer): object {
  const { "x-backscroll-cache": _, "x-request-id": __, ...same } = Object.fromEntries(headers);
  return { status, headers: same, text: text.replaceAll(/"request_id":"[^"]*"/g, "") };
}

test("a hit, a miss and a bypass are the same, byte for byte", async () => {
  const { services, redis } = await startCached(3);
  const { messages } = await keysOf(services);
  const expectSame = async (): Promise<void> => {
    for (const query of ["?limit=1", "?limit=4", "", "?limit=200"]) {
      const and = query === "" ? "?" : `${query}&`;
      const cached = await read(services, query);
      await redis.ask("DEL", messages);
      const missed = await read(services, query);
      const strong = await read(services, `${and}consistency=strong`);
      expect([cached, missed, strong].map(({ headers }) => headers.get("x-backscroll-cache"))).toEqual([
        "hit",
        "miss",
        "bypass",
      ]);
      expect(cached.status).toBe(200);
      expect(shownOf(cached)).toEqual(shownOf(strong));
      expect(shownOf(missed)).toEqual(shownOf(strong));
      await untilHit(services);
    }
  };
  await untilHit(services);
  await saveHardOnes(services); // pushed by the writer
  expect(await sourceOf(services)).toBe("hit");
  await expectSame(); // and filled by a reader
  await services.call(ADA, "PATCH", `${MESSAGES}/hard-1`, { content: "edited \u2028" });
  await services.call(ADA, "DELETE", `${MESSAGES}/hard-2`);
  await untilHit(services);
  await expectSame();
});

test("an empty conversation is cached too, and the same", async () => {
  const { services } = await startCached(0);
  const missed = await read(services);
  await untilHit(services);
  expect(missed.json).toEqual({ messages: [], has_more: false, next_cursor: null });
  expect(shownOf(await read(services))).toEqual(shownOf(missed));
  expect(shownOf(await read(services, "?consistency=strong"))).toEqual(shownOf(missed));
});

test("what is not there, not any more, or somebody else's answers 404, cached or not", async () => {
  const { services } = await startCached(2);
  const readAs = (user: string, id: string, query = ""): Promise<Answer> =>
    services.call(user, "GET", `/api/conversations/${id}/messages${query}`);
  const unknown = shownOf(await readAs(ADA, "unknown"));
  await untilHit(services);
  const refused = [await readAs("bob@example.com", "c"), await readAs("bob@example.com", "c", "?consistency=strong")];
  await services.call(ADA, "DELETE", "/api/conversations/c");
  refused.push(await readAs(ADA, "c"), await readAs(ADA, "c", "?consistency=strong"), await readAs(ADA, "c"));
  for (const answer of refused) {
    expectProblem(answer, "conversation_not_found");
    expect(answer.headers.has("x-backscroll-cache")).toBe(false);
    expect(shownOf(answer)).toEqual(unknown);
  }
  await services.call(ADA, "POST", "/api/conversations/c/restore");
  expect(await idsOf(services)).toEqual(["m2", "m1"]);
});

test("the cursor of a hit goes on where the hit ended", async () => {
  const { services } = await startCached(30);
  await untilHit(services);
  const ids: string[] = [];
  const sources: (string | null)[] = [];
  for (let query = "?limit=7"; ;) {
    const { json, headers } = await read(services, query);
    ids.push(...json.messages.map(({ id }: { id: string }) => id));
    sources.push(headers.get("x-backscroll-cache"));
    expect(json.has_more).toBe(json.next_cursor !== null);
    if (!json.has_more) break;
    query = `?limit=7&before=${json.next_cursor}`;
  }
  expect(ids).toEqual(Array.from({ length: 30 }, (_, i) => `m${30 - i}`));
  expect(sources).toEqual(["hit", "bypass", "bypass", "bypass", "bypass"]);
});

test(
  "/readyz is degraded while Redis is away, and ok again after; reads and writes go on",
  { timeout: 30_000 },
  async () => {
    const { services, redis } = await startCached(1);
    await untilHit(services);
    const ready = (): Promise<Answer> => services.call("", "GET", "/readyz");
    expect(await ready()).toMatchObject({ status: 200, json: { status: "ok", postgres: "ok", cache: "ok" } });
    await redis.kill();
    await expect.poll(() => sourceOf(services)).toBe("bypass");
    await save(services, "m2");
    expect(await idsOf(services)).toEqual(["m2", "m1"]);
    await expect
      .poll(async () => [await sourceOf(services), (await ready()).json])
      .toEqual(["bypass", { status: "degraded", postgres: "ok", cache: "unavailable" }]);
    expect((await ready()).status).toBe(200);
    await redis.restart();
    await expect
      .poll(async () => (await ready()).json, { timeout: 10_000 })
      .toEqual({ status: "ok", postgres: "ok", cache: "ok" });
    await untilHit(services);
    expect(await idsOf(services)).toEqual(["m2", "m1"]);
  },
);

const TURN = { message: "hello", conversation_id: "c", message_id: "q" };

test.for([
  ["a message id", MESSAGES, { id: "m2", role: "user", content: "text of m2" }, {}],
  ["a message id with a new one", MESSAGES, { messages: [{ id: "m2", role: "user", content: "text of m2" }] }, {}],
  ["an Idempotency-Key", MESSAGES, { role: "user", content: "x" }, { "idempotency-key": "k" }],
  ["a turn's message id", "/api/conversations/messages", TURN, {}],
  ["a turn's Idempotency-Key", "/api/conversations/messages", TURN, { "idempotency-key": "k" }],
  ["a chat's Idempotency-Key", "/api/chat", { message: "x", conversation_id: "c" }, { "idempotency-key": "k" }],
  ["a new conversation's Idempotency-Key", "/api/conversations", { id: "c" }, { "idempotency-key": "k" }],
] as const)(
  "a write that is replayed by %s takes what is cached away before it answers",
  async ([, path, body, headers]) => {
    const { services, redis } = await startCached(1);
    await untilHit(services);
    const { messages, version } = await keysOf(services);
    const before = {
      list: (await redis.ask("LRANGE", messages, "0", "-1")) as string[],
      version: await redis.ask("GET", version),
    };
    const first = await services.call(ADA, "POST", path, body, headers);
    expect(first.status, first.text).toBeLessThan(300);
    await save(services, "last");
    // As when whoever answered first had died before it told the cache.
    await redis.ask("DEL", messages);
    await redis.ask("RPUSH", messages, ...before.list);
    await redis.ask("SET", version, String(before.version));
    expect(await idsOf(services)).toEqual(["m1"]);

    const replayed = await services.call(ADA, "POST", path, body, headers);
    expect(replayed.status, replayed.text).toBeLessThan(300);
    expect(replayed.text).toBe(first.text);
    const truth = await idsOf(services, "?consistency=strong");
    expect(truth[0]).toBe("last");
    expect(await idsOf(services)).toEqual(truth);
  },
);

test("50 readers of a conversation that is not cached ask PostgreSQL once", async () => {
  const { services, redis } = await startCached(25);
  const { messages } = await keysOf(services);
  await untilHit(services); // whose the caller is, is known now
  await redis.ask("DEL", messages);
  const queries = vi.spyOn(services.deps.db, "query");
  const answers = await Promise.all(Array.from({ length: 50 }, () => read(services)));
  const names = queries.mock.calls.map(([{ name }]) => name);
  queries.mockRestore();
  expect(names.filter((name) => name === "list_newest_messages")).toHaveLength(1);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(new Set(answers.map(({ headers }) => headers.get("x-backscroll-cache")))).toEqual(new Set(["miss"]));
});
