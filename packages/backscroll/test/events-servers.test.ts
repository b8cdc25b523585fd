import { expect, onTestFinished, test } from "vitest";
import { openTab } from "./events-fixture.ts";
import { type FaultyRedis, startFaultyRedis } from "./faulty-redis.ts";
import { eventually } from "./live-fixture.ts";
import { createServices, newSchema, type Services } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const PEOPLE = Array.from({ length: 50 }, (_, i) => `person-${i}@example.com`);

interface TwoServers {
  readonly one: Services;
  readonly other: Services;
  readonly redis: FaultyRedis;
}

/** Two Backscrolls on one PostgreSQL and one Redis. */
async function startTwo(): Promise<TwoServers> {
  const redis = await startFaultyRedis();
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const start = async (): Promise<Services> => {
    const services = await createServices({ databaseUrl, redisUrl: redis.url });
    onTestFinished(() => services.close());
    return services;
  };
  return { one: await start(), other: await start(), redis };
}

const create = (services: Services, id: string, user = ADA) =>
  services.call(user, "POST", "/api/conversations", { id });
const created = (id: string) => ({ type: "conversation_created", conversation_id: id });
const RESYNC = { type: "resync" };

test("two servers hear each other's changes, each in its order, and nobody hears another user's", async () => {
  const { one, other } = await startTwo();
  const tabs = [await openTab(one, ADA), await openTab(other, ADA)];
  const bob = await openTab(other, BOB);
  for (let i = 1; i <= 20; i += 1) {
    await create(i % 2 ? one : other, `c${i}`);
    await create(i % 2 ? other : one, `b${i}`, BOB);
  }
  const ids = (of: string) => Array.from({ length: 20 }, (_, i) => created(`${of}${i + 1}`));
  for (const tab of tabs) await eventually(() => tab.heard).toEqual(ids("c"));
  await eventually(() => bob.heard).toEqual(ids("b"));
});

test("a server that is stopped ends the stream, and the client goes on at another one without missing anything", async () => {
  const { one, other } = await startTwo();
  const tab = await openTab(one, ADA);
  await create(other, "a");
  await eventually(() => tab.heard).toEqual([created("a")]);
  one.drain();
  await tab.ended;
  await create(other, "b");
  await create(one, "c");
  const back = await openTab(other, ADA, { headers: { "last-event-id": tab.cursor } });
  await create(other, "d");
  await eventually(() => back.heard).toEqual(["b", "c", "d"].map(created));
});

test("a tab that comes and goes between two servers while things change hears everything once", async () => {
  const { one, other } = await startTwo();
  const heard: unknown[] = [];
  const first = await openTab(one, ADA);
  await first.close();
  let { cursor } = first;
  const writing = (async () => {
    for (let i = 0; i < 100; i += 1) await create(i % 3 ? one : other, `c${i}`);
  })();
  for (let visit = 0; heard.length < 100; visit += 1) {
    const tab = await openTab(visit % 2 ? one : other, ADA, { headers: { "last-event-id": cursor } });
    await eventually(() => tab.heard.length).toBeGreaterThan(0);
    await tab.close();
    heard.push(...tab.heard);
    ({ cursor } = tab);
  }
  await writing;
  expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => created(`c${i}`)));
});

test("who comes back after the stream was flushed gets a resync, and so does who listens", async () => {
  const { one, other, redis } = await startTwo();
  const away = await openTab(one, ADA);
  await away.close();
  const tab = await openTab(one, ADA);
  await redis.ask("FLUSHALL");
  await create(other, "told to nobody: there is no stream");
  await create(other, "c");
  const back = await openTab(other, ADA, { query: `?last_event_id=${away.cursor}` });
  await eventually(() => back.heard).toEqual([RESYNC]);
  await create(other, "after");
  await eventually(() => tab.heard[0]).toEqual(RESYNC);
  await eventually(() => back.heard).toEqual([RESYNC, created("after")]);
  await create(one, "later");
  await eventually(() => tab.heard.at(-1)).toEqual(created("later"));
  // For who listened, what came before the flush was noticed is part of what the resync makes him read.
  const rest = tab.heard.slice(1);
  expect(["told to nobody: there is no stream", "c", "after", "later"].map(created).slice(-rest.length)).toEqual(rest);
});

test("Redis is killed: saving goes on as before, changes are heard on their own server; back, everybody gets a resync", async () => {
  const { one, other, redis } = await startTwo();
  const here = await openTab(one, ADA);
  const there = await openTab(other, ADA);
  await redis.kill();
  expect((await create(one, "while-away")).status).toBe(201);
  await eventually(() => here.heard).toEqual([created("while-away")]);
  await redis.restart();
  for (const tab of [here, there]) await eventually(() => tab.heard.at(-1)).toEqual(RESYNC);
  await eventually(async () => {
    await create(other, `after-${there.heard.length}-${here.heard.length}`);
    return [here, there].every(({ heard }) => JSON.stringify(heard).includes("after-"));
  }).toBe(true);
});

test("500 tabs of 50 people on two servers each hear exactly their own", async () => {
  const { one, other, redis } = await startTwo();
  const tabs = await Promise.all(
    Array.from({ length: 500 }, async (_, i) => ({
      person: PEOPLE[i % 50] as string,
      tab: await openTab(i % 2 ? one : other, PEOPLE[i % 50] as string),
    })),
  );
  // One connection listens for a whole server.
  const listening = String(await redis.ask("CLIENT", "LIST", "TYPE", "PUBSUB"))
    .trim()
    .split("\n");
  expect(listening).toHaveLength(2);
  for (const [i, person] of PEOPLE.entries()) await create(i % 2 ? one : other, `of-${i}`, person);
  for (const { person, tab } of tabs)
    await eventually(() => tab.heard).toEqual([created(`of-${PEOPLE.indexOf(person)}`)]);
});

test("who is not listened to costs Redis nothing", async () => {
  const { one, redis } = await startTwo();
  await create(one, "c");
  await one.call(ADA, "POST", "/api/conversations/c/messages", { role: "user", content: "a" });
  expect(await redis.ask("KEYS", "*:changes:*")).toEqual([]);
});
