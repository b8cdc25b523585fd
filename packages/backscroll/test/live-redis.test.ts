import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { createRedisChangeFeed } from "../src/live/redis/change-feed.ts";
import { createRedisReplyStreams } from "../src/live/redis/reply-streams.ts";
import { startFaultyRedis } from "./faulty-redis.ts";
import { change, changes, eventually, listenTo, redisServer, redisServers, RESYNC } from "./live-fixture.ts";
import { linkTo, startRedis } from "./redis-server.ts";
import { startTcpRelay, type TcpRelay } from "./tcp-relay.ts";

const REPLY = { userId: 1, id: "c", messageId: "m" };
const STREAM = "p:conversation:{1:c}:stream:m";
const CHANGES = "p:changes:{1}";
const entry = (chars: number, text: string) =>
  ({ from: { chars, tools: 0 }, chunks: [{ type: "text", text }] }) as const;
const last = <Item>(items: readonly Item[]): Item | undefined => items.at(-1);

async function relayTo(port: number): Promise<{ relay: TcpRelay; url: string }> {
  const relay = await startTcpRelay({ port, host: "127.0.0.1" });
  onTestFinished(() => relay.close());
  return { relay, url: `redis://127.0.0.1:${relay.port}` };
}

test("a reply's stream goes by itself: ten minutes after it was last written, a minute after its end", async () => {
  const redis = await startFaultyRedis();
  const { streams } = await redisServer(redis.url, "p:");
  const ttl = (): Promise<number> => redis.ask("PTTL", STREAM).then(Number);
  streams.publish(REPLY, entry(0, "a"));
  await eventually(ttl).toBeGreaterThan(590_000);
  streams.publish(REPLY, entry(1, "b"));
  expect(await ttl()).toBeLessThanOrEqual(600_000);
  streams.end(REPLY);
  await eventually(ttl).toBeLessThanOrEqual(60_000);
  expect(await ttl()).toBeGreaterThan(50_000);
});

test("a reply whose stream was lost goes on in a new one, with a gap at its beginning and a time to live", async () => {
  const redis = await startFaultyRedis();
  const { streams } = await redisServer(redis.url, "p:");
  for (const [at, text] of ["a", "b"].entries()) streams.publish(REPLY, entry(at, text));
  await eventually(async () => (await streams.read(REPLY, null))?.entries.length).toBe(2);
  const { cursor = "" } = (await streams.read(REPLY, null)) ?? {};
  await redis.ask("FLUSHALL");
  let chars = 2;
  await eventually(async () => {
    streams.publish(REPLY, entry((chars += 1), "c"));
    return (await streams.read(REPLY, cursor))?.entries.length;
  }).toBeGreaterThan(0);
  expect((await streams.read(REPLY, cursor))?.entries[0]?.from.chars).toBeGreaterThan(2);
  expect(Number(await redis.ask("PTTL", STREAM))).toBeGreaterThan(0);
});

test("with Redis frozen, publishing drops what is too much, and reading gives up at its deadline", async () => {
  const redis = await startFaultyRedis();
  const streams = createRedisReplyStreams(await linkTo(redis.url), "p:", { readDeadlineMs: 100 });
  streams.publish(REPLY, entry(0, "a"));
  await eventually(async () => (await streams.read(REPLY, null))?.entries.length).toBe(1);
  redis.freeze();
  const megabyte = "x".repeat(1_048_576);
  const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
  for (let i = 0; i < 200; i += 1) streams.publish(REPLY, entry(1 + i, `${i}${megabyte}`));
  const grown = process.memoryUsage().external + process.memoryUsage().heapUsed - before;
  expect(grown).toBeLessThan(100_000_000);
  const askedAt = performance.now();
  expect(await streams.read(REPLY, null)).toBeNull();
  expect(performance.now() - askedAt).toBeLessThan(1_000);
  redis.thaw();
  // After a while everything works again.
  await eventually(async () => {
    streams.publish(REPLY, entry(300, "z"));
    return last((await streams.read(REPLY, null))?.entries ?? [])?.chunks;
  }).toEqual([{ type: "text", text: "z" }]);
});

test("with Redis away, nothing throws, waits or is left unhandled", async () => {
  const redis = await startFaultyRedis();
  const { streams, signals, feed } = await redisServer(redis.url, "p:");
  await redis.kill();
  for (let i = 0; i < 100; i += 1) {
    streams.publish(REPLY, entry(i, "x"));
    signals.send("c", "x");
    feed.tell(1, change(i));
  }
  streams.end(REPLY);
  expect(await streams.read(REPLY, null)).toBeNull();
  const listening = await listenTo(feed, 1, "1-1");
  await eventually(() => listening.heard).toEqual([RESYNC]);
});

test("signals are heard again after the connection was lost, and who listens is told that some may be missed", async () => {
  const redis = await startFaultyRedis();
  const { one, other } = await redisServers(redis.url, "p:");
  const heard: string[] = [];
  let missed = 0;
  one.signals.listen(
    "c",
    (payload) => heard.push(payload),
    () => (missed += 1),
  );
  await eventually(() => missed).toBe(1);
  other.signals.send("c", "first");
  await eventually(() => heard).toEqual(["first"]);

  await redis.ask("CLIENT", "KILL", "TYPE", "pubsub");
  await eventually(() => missed).toBe(2);
  other.signals.send("c", "second");
  await eventually(() => heard).toEqual(["first", "second"]);

  await redis.kill();
  await redis.restart();
  await eventually(() => missed).toBe(3);
  await eventually(() => {
    other.signals.send("c", "third");
    return heard.includes("third");
  }).toBe(true);
});

test("a user who may not listen to channels is told once, and hears changes at the next tick all the same", async () => {
  const redis = await startFaultyRedis();
  await redis.ask("ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "resetchannels");
  const url = redis.url.replace("//", "//mute:secret@");
  const { feed } = await redisServer(url, "p:", { tickMs: 50 });
  const listening = await listenTo(feed, 1);
  feed.tell(1, change(1));
  await eventually(() => listening.heard).toEqual([change(1)]);
});

test("nothing is kept of somebody who never listened; of who did, until an hour after", async () => {
  const redis = await startFaultyRedis();
  const { one, other } = await redisServers(redis.url, "p:");
  one.feed.tell(1, change(1));
  one.feed.tell(2, change(1));
  const listening = await listenTo(one.feed, 2);
  other.feed.tell(2, change(2));
  await eventually(() => listening.heard).toEqual([change(2)]);
  expect(await redis.ask("KEYS", "*")).toEqual(["p:changes:{2}"]);
  const ttl = Number(await redis.ask("PTTL", "p:changes:{2}"));
  expect(ttl).toBeGreaterThan(3_590_000);
  expect(ttl).toBeLessThanOrEqual(3_600_000);
});

test("the stream of somebody who listens does not expire", async () => {
  const redis = await startFaultyRedis();
  const { feed } = await redisServer(redis.url, "p:", { keepMs: 300, tickMs: 20 });
  const listening = await listenTo(feed, 1);
  const { cursor } = listening;
  const until = performance.now() + 900;
  await eventually(async () => {
    expect(await redis.ask("EXISTS", CHANGES)).toBe(1);
    return performance.now() > until;
  }).toBe(true);
  feed.tell(1, change(1));
  await eventually(() => listening.heard).toEqual([change(1)]);
  const again = await listenTo(feed, 1, cursor);
  await eventually(() => again.heard).toEqual([change(1)]);
});

test("a lost signal delays a change until the next tick, and loses none", async () => {
  const { url } = await startRedis();
  const link = await linkTo(url);
  const deaf = { send: () => undefined, listen: () => () => undefined };
  const feed = createRedisChangeFeed(link, deaf, "p:", { tickMs: 50 });
  onTestFinished(() => feed.close());
  const listening = await listenTo(feed, 1);
  for (const told of changes(1, 5)) feed.tell(1, told);
  await eventually(() => listening.heard).toEqual(changes(1, 5));
});

for (const [what, lose] of [
  ["flushed", ["FLUSHALL"]],
  ["evicted", ["UNLINK", CHANGES]],
  ["expired", ["PEXPIRE", CHANGES, "1"]],
] as const) {
  test(`a stream that was ${what} gives everybody a resync: who listens, and who comes back`, async () => {
    const redis = await startFaultyRedis();
    const { one, other } = await redisServers(redis.url, "p:", { tickMs: 100 });
    const away = await listenTo(one.feed, 1);
    one.feed.tell(1, change(1));
    await eventually(() => away.heard).toEqual([change(1)]);
    await away.stop();
    const listening = [await listenTo(one.feed, 1), await listenTo(other.feed, 1)];
    await redis.ask(...lose);
    for (const { heard } of listening) await eventually(() => heard).toEqual([RESYNC]);
    const back = await listenTo(other.feed, 1, away.cursor);
    await eventually(() => back.heard).toEqual([RESYNC]);
    one.feed.tell(1, change(2));
    for (const { heard } of [...listening, back]) await eventually(() => heard).toEqual([RESYNC, change(2)]);
    // What they were given is good to come back with.
    const again = await listenTo(one.feed, 1, back.cursor);
    one.feed.tell(1, change(3));
    await eventually(() => again.heard).toEqual([change(3)]);
  });
}

test("Redis is killed and comes back empty: everybody gets a resync, and hears what follows", async () => {
  const redis = await startFaultyRedis();
  const { one, other } = await redisServers(redis.url, "p:");
  const listening = [await listenTo(one.feed, 1), await listenTo(other.feed, 1)];
  await redis.kill();
  one.feed.tell(1, change("told while Redis was away"));
  await redis.restart();
  for (const { heard } of listening) await eventually(() => last(heard)).toEqual(RESYNC);
  await eventually(() => {
    other.feed.tell(1, change("after"));
    return listening.every(({ heard }) => JSON.stringify(heard).includes("after"));
  }).toBe(true);
});

test("a change that could not be told is heard here at once, and makes a resync for everybody when Redis is back", async () => {
  const redis = await startFaultyRedis();
  const { relay, url } = await relayTo(redis.port);
  const cutOff = await redisServer(url, "p:");
  const other = await redisServer(redis.url, "p:");
  const here = await listenTo(cutOff.feed, 1);
  const there = await listenTo(other.feed, 1);
  const away = await listenTo(other.feed, 1);
  await away.stop();
  relay.stall();
  relay.cut();
  cutOff.feed.tell(1, change("unheard"));
  await eventually(() => here.heard).toEqual([change("unheard")]);
  expect(there.heard).toEqual([]);
  relay.resume();
  await eventually(() => there.heard).toEqual([RESYNC]);
  await eventually(() => here.heard).toEqual([change("unheard"), RESYNC]);
  const back = await listenTo(other.feed, 1, away.cursor);
  await eventually(() => back.heard).toEqual([RESYNC]);
});

test("changes that Redis acknowledged and lost with a crash make a resync for who was away", async () => {
  const redis = await startFaultyRedis();
  const { feed } = await redisServer(redis.url, "p:");
  const away = await listenTo(feed, 1);
  await away.stop();
  await redis.ask("SAVE");
  const listening = await listenTo(feed, 1);
  feed.tell(1, change("acknowledged, and not saved"));
  await eventually(() => listening.heard).toHaveLength(1);
  await listening.stop();
  await redis.kill();
  await redis.restart();
  // It has come back with the stream as it was before: its cursor is there.
  await eventually(async () => {
    const back = await listenTo(feed, 1, away.cursor);
    await back.stop();
    return back.heard;
  }).toEqual([RESYNC]);
});

test("when more people's changes could not be told than are remembered, everybody gets a resync", async () => {
  const redis = await startFaultyRedis();
  const { relay, url } = await relayTo(redis.port);
  const cutOff = await redisServer(url, "p:");
  const other = await redisServer(redis.url, "p:");
  const there = await Promise.all([1, 2, 3].map((user) => listenTo(other.feed, user)));
  relay.stall();
  relay.cut();
  await eventually(() => cutOff.streams.read(REPLY, null)).toBeNull();
  for (let user = 1; user <= 10_500; user += 1) cutOff.feed.tell(user, change("unheard"));
  relay.resume();
  for (const { heard } of there) await eventually(() => heard).toEqual([RESYNC]);
});

test("two databases on one Redis do not hear each other", async () => {
  const { url } = await startRedis();
  const [one, two] = [await redisServer(url, `${randomUUID()}:`), await redisServer(url, `${randomUUID()}:`)];
  const ofOne = await listenTo(one.feed, 1);
  const ofTwo = await listenTo(two.feed, 1);
  one.feed.tell(1, change("one"));
  two.feed.tell(1, change("two"));
  await eventually(() => [ofOne.heard, ofTwo.heard]).toEqual([[change("one")], [change("two")]]);
});
