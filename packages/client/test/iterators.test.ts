import { expect } from "vitest";
import type { Message } from "../src/index.ts";
import { collect, failureOf, said, test } from "./running-service.ts";

const contents = (messages: readonly Message[]): string[] => messages.map(({ content }) => content);
const expected = (count: number): string[] => said(count).map(({ content }) => content);

for (const count of [0, 1, 6, 7, 8, 14, 15, 30]) {
  test(`a conversation of ${count} is walked whole in pages of 7, from either end, each message once`, async ({
    client,
  }) => {
    const { conversation_id: id } = await client.createConversation();
    if (count > 0) await client.saveMessages(id, said(count));

    expect(contents(await collect(client.iterateMessages(id, { page_size: 7 })))).toEqual(expected(count));
    expect(contents(await collect(client.iterateMessages(id, { order: "newest", page_size: 7 })))).toEqual(
      expected(count).toReversed(),
    );
  });
}

test("a walk reads only the pages that the loop comes to", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(100));
  const before = proxy.requests.length;

  for await (const message of client.iterateMessages(id, { order: "newest", page_size: 10 })) {
    if (message.content === "m85") break;
  }

  expect(proxy.requests.length - before).toBe(2);
});

test("a walk passes over deleted messages and goes on when where it stands is deleted", async ({ client }) => {
  const { conversation_id: id } = await client.createConversation();
  const saved = await client.saveMessages(id, said(20));
  await client.deleteMessage(id, saved[2]?.id ?? "");
  const walked: string[] = [];

  for await (const message of client.iterateMessages(id, { page_size: 5 })) {
    walked.push(message.content);
    // Each page's end goes while the loop is there: the first page's, and one that a cursor stands behind.
    if (message.seq === 6 || message.seq === 11) await client.deleteMessage(id, message.id);
  }

  expect(walked).toEqual(expected(20).filter((content) => content !== "m3"));
});

test("messages saved during a walk from the oldest come too, and during one from the newest do not", async ({
  client,
}) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(10));
  const walk = async (order: "oldest" | "newest"): Promise<string[]> => {
    const walked: string[] = [];
    for await (const message of client.iterateMessages(id, { order, page_size: 4 })) {
      if (walked.length === 0) await client.saveMessages(id, said(3, `${order} `));
      walked.push(message.content);
    }
    return walked;
  };

  expect(await walk("oldest")).toEqual([...expected(10), "oldest 1", "oldest 2", "oldest 3"]);
  expect(await walk("newest")).toEqual([...expected(10), "oldest 1", "oldest 2", "oldest 3"].toReversed());
});

test("from and to narrow a walk, from either end", async ({ client }) => {
  const { conversation_id: id } = await client.createConversation();
  const [first] = await client.saveMessages(id, said(1, "before "));
  // Times are in milliseconds: the next ones must not share one.
  const next = async (prefix: string, since: Message | undefined): Promise<Message | undefined> => {
    const sinceMs = Date.parse(since?.created_at ?? "");
    await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(sinceMs + 1);
    return (await client.saveMessages(id, said(7, prefix)))[0];
  };
  const inside = await next("inside ", first);
  const after = await next("after ", inside);
  const range = { from: new Date(inside?.created_at ?? ""), to: after?.created_at, page_size: 3 };

  const wanted = said(7, "inside ").map(({ content }) => content);
  expect(contents(await collect(client.iterateMessages(id, range)))).toEqual(wanted);
  expect(contents(await collect(client.iterateMessages(id, { ...range, order: "newest" })))).toEqual(
    wanted.toReversed(),
  );
});

test("a walk survives a network that loses answers", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(20));
  proxy.faults.push("lose-answer", "none", "cut-answer", "drop", "none", { status: 503 }, "none");

  expect(contents(await collect(client.iterateMessages(id, { page_size: 9 })))).toEqual(expected(20));
  expect(proxy.faults).toEqual([]);
});

test("a walk of a conversation that is not there fails on its first step, and an abort ends one", async ({
  client,
}) => {
  expect(await failureOf(collect(client.iterateMessages("nowhere")))).toMatchObject({ code: "conversation_not_found" });

  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(20));
  const abort = new AbortController();
  const walk = client.iterateMessages(id, { page_size: 5 }, { signal: abort.signal });
  await walk.next();
  abort.abort();
  expect(await failureOf(collect(walk))).toMatchObject({ name: "AbortError" });
});

test("the list of conversations is walked whole, pinned ones first, and each once when others move up meanwhile", async ({
  client,
}) => {
  const ids: string[] = [];
  for (let index = 0; index < 12; index += 1) ids.push((await client.createConversation()).conversation_id);
  const [pinned = "", archived = "", quiet = ""] = ids;
  await client.updateConversation(pinned, { pinned: true });
  await client.updateConversation(archived, { archived: true });
  const walked: string[] = [];

  for await (const { conversation_id } of client.iterateConversations({ page_size: 5 })) {
    walked.push(conversation_id);
    if (walked.length === 7) await client.saveMessage(walked[3] ?? "", { role: "user", content: "moves up" });
  }

  expect(walked).toEqual([pinned, ...ids.slice(2).toReversed()]);
  expect(walked.at(-1)).toBe(quiet);
  const archivedOnes = await collect(client.iterateConversations({ archived: true }));
  expect(archivedOnes.map(({ conversation_id }) => conversation_id)).toEqual([archived]);
});

test("with fields a message has these only, in its type too", async ({ client }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(2));

  const { messages } = await client.getRecentMessages(id, { fields: ["seq", "content"] });

  const shown: readonly { readonly seq: number; readonly content: string }[] = messages;
  expect(shown).toEqual([
    { seq: 2, content: "m2" },
    { seq: 1, content: "m1" },
  ]);
  // @ts-expect-error -- it was not asked for
  expect(messages[0]?.role).toBeUndefined();
});
