import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { ReplyChunk } from "../src/domain/reply.ts";
import type { ReplyEntry, ReplyRef, ReplyStreams } from "../src/live/reply-streams.ts";
import { change, changes, eventually, type FeedOptions, listenTo, RESYNC, type Servers } from "./live-fixture.ts";

/** What everything live promises; every maker runs all of it. */
type Checks = Readonly<Record<string, (make: (options?: FeedOptions) => Promise<Servers>) => Promise<void>>>;

let users = 0;
const newUser = (): number => (users += 1);
const newReply = (): ReplyRef => ({ userId: newUser(), id: randomUUID(), messageId: randomUUID() });
const said = (chars: number, ...chunks: readonly ReplyChunk[]): ReplyEntry => ({ from: { chars, tools: 0 }, chunks });
const text = (words: string): ReplyChunk => ({ type: "text", text: words });

/** Everything that can be read from a cursor on, until it is `count` entries. */
async function readAll(
  streams: ReplyStreams,
  at: ReplyRef,
  count: number,
  from: string | null = null,
): Promise<{ entries: ReplyEntry[]; cursor: string | null; ended: boolean }> {
  const entries: ReplyEntry[] = [];
  let cursor = from;
  let ended = false;
  await eventually(async () => {
    const read = await streams.read(at, cursor);
    entries.push(...(read?.entries ?? []));
    cursor = read?.cursor ?? cursor;
    ended = read?.ended ?? ended;
    return entries.length;
  }).toBe(count);
  return { entries, cursor, ended };
}

const REPLY_STREAMS: Checks = {
  "a reply that nobody has written is empty, and has not ended": async (make) => {
    const { one } = await make();
    const read = await one.streams.read(newReply(), null);
    expect(read).toMatchObject({ entries: [], ended: false });
    expect(await one.streams.read(newReply(), read?.cursor ?? "")).toMatchObject({ entries: [], ended: false });
  },

  "what one server publishes another reads, in order and as it was": async (make) => {
    const { one, other } = await make();
    const at = newReply();
    const tool: ReplyChunk = { type: "tool-call", toolCallId: "1", toolName: "t", input: { a: [1, null, "😀\u2028"] } };
    const entries = [said(0, text("Hello ")), said(6, text("wörld 😀"), tool), said(14, text("\u0000\n"))];
    for (const entry of entries) one.streams.publish(at, entry);
    expect((await readAll(other.streams, at, 3)).entries).toEqual(entries);
  },

  "a cursor goes on after what was read, while more is written": async (make) => {
    const { one, other } = await make();
    const at = newReply();
    one.streams.publish(at, said(0, text("a")));
    const first = await readAll(other.streams, at, 1);
    one.streams.publish(at, said(1, text("b")));
    const second = await readAll(other.streams, at, 1, first.cursor);
    expect(second.entries).toEqual([said(1, text("b"))]);
    expect(await other.streams.read(at, second.cursor)).toEqual({ entries: [], cursor: second.cursor, ended: false });
  },

  "an end is told after everything that was said, and again to whoever asks again": async (make) => {
    const { one, other } = await make();
    const at = newReply();
    for (let i = 0; i < 2_500; i += 1) one.streams.publish(at, said(i, text("x")));
    one.streams.end(at);
    await eventually(async () => (await readToEnd(other.streams, at)).ended).toBe(true);
    const { entries, ended, cursor } = await readToEnd(other.streams, at);
    expect(entries.map(({ from }) => from.chars)).toEqual(Array.from({ length: 2_500 }, (_, i) => i));
    expect(ended).toBe(true);
    expect(await other.streams.read(at, cursor)).toMatchObject({ entries: [], ended: true });
  },

  "what is over the bound is lost from the beginning, and shows as a gap": async (make) => {
    const { one } = await make();
    const at = newReply();
    for (let i = 0; i < 11_000; i += 1) {
      one.streams.publish(at, said(i, text("x")));
      // As a reply comes: no more than Redis takes.
      if (i % 1_000 === 999) await one.streams.read(at, null);
    }
    one.streams.end(at);
    await eventually(async () => (await readToEnd(one.streams, at)).ended).toBe(true);
    const kept = (await readToEnd(one.streams, at)).entries.map(({ from }) => from.chars);
    expect(kept.length).toBeGreaterThanOrEqual(9_999);
    expect(kept.length).toBeLessThan(10_500);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 11_000 - kept.length + i));
  },

  "a cursor whose entry is gone begins again at the oldest that is there": async (make) => {
    const { one } = await make();
    const [at, other] = [newReply(), newReply()];
    for (let i = 0; i < 3; i += 1) one.streams.publish(other, said(i, text("x")));
    const { cursor } = await readAll(one.streams, other, 3);
    expect(await one.streams.read(at, cursor)).toMatchObject({ entries: [], ended: false });
  },

  "replies of other people, conversations and messages are others": async (make) => {
    const { one } = await make();
    const at = newReply();
    one.streams.publish(at, said(0, text("a")));
    await readAll(one.streams, at, 1);
    for (const other of [{ userId: newUser() }, { id: randomUUID() }, { messageId: randomUUID() }])
      expect(await one.streams.read({ ...at, ...other }, null)).toMatchObject({ entries: [] });
  },
};

async function readToEnd(
  streams: ReplyStreams,
  at: ReplyRef,
): Promise<{ entries: ReplyEntry[]; cursor: string | null; ended: boolean }> {
  const entries: ReplyEntry[] = [];
  for (let cursor: string | null = null; ;) {
    const read = await streams.read(at, cursor);
    if (!read) throw new Error("it could not be read");
    entries.push(...read.entries);
    cursor = read.cursor;
    if (read.ended || read.entries.length === 0) return { entries, cursor, ended: read.ended };
  }
}

/** Sends until it is heard: listening may take a while to begin. */
async function untilHeard(send: () => void, heard: readonly string[]): Promise<void> {
  await eventually(() => {
    if (heard.length === 0) send();
    return heard.length;
  }).toBeGreaterThan(0);
}

const SIGNALS: Checks = {
  "a signal is heard by everybody who listens on its channel, on every server, and by nobody else": async (make) => {
    const { one, other } = await make();
    const channel = randomUUID();
    const heard: string[][] = [[], [], [], []];
    const listen = (to: Servers["one"], on: string, into: string[]): (() => void) =>
      to.signals.listen(
        on,
        (payload) => into.push(payload),
        () => undefined,
      );
    listen(one, channel, heard[0] as string[]);
    listen(one, channel, heard[1] as string[]);
    listen(other, channel, heard[2] as string[]);
    listen(other, `${channel}x`, heard[3] as string[]);
    for (const own of heard.slice(0, 3)) await untilHeard(() => one.signals.send(channel, "ping"), own);
    for (const own of heard) own.length = 0;
    one.signals.send(channel, "a 😀");
    one.signals.send(channel, "b");
    for (const own of heard.slice(0, 3)) await eventually(() => own.slice(-2)).toEqual(["a 😀", "b"]);
    expect(heard[3]).toEqual([]);
  },

  "who stops listening hears no more, and the others still do": async (make) => {
    const { one, other } = await make();
    const channel = randomUUID();
    const [left, kept]: [string[], string[]] = [[], []];
    const stop = one.signals.listen(
      channel,
      (payload) => left.push(payload),
      () => undefined,
    );
    one.signals.listen(
      channel,
      (payload) => kept.push(payload),
      () => undefined,
    );
    await untilHeard(() => other.signals.send(channel, "ping"), left);
    stop();
    left.length = 0;
    kept.length = 0;
    other.signals.send(channel, "pong");
    await eventually(() => kept.at(-1)).toBe("pong");
    expect(left).not.toContain("pong");
  },

  "who stops and listens again, however fast, listens": async (make) => {
    const { one, other } = await make();
    const channel = randomUUID();
    const heard: string[] = [];
    for (let i = 0; i < 25; i += 1) {
      one.signals.listen(
        channel,
        () => undefined,
        () => undefined,
      )();
      const stop = one.signals.listen(
        channel,
        () => undefined,
        () => undefined,
      );
      if (i % 3 === 0) await Promise.resolve();
      if (i % 5 === 0) await new Promise(setImmediate);
      stop();
    }
    one.signals.listen(
      channel,
      (payload) => heard.push(payload),
      () => undefined,
    );
    await untilHeard(() => other.signals.send(channel, "ping"), heard);
  },
};

const FEED: Checks = {
  "a change is heard by everybody who follows its user, on every server, in the order told": async (make) => {
    const { one, other } = await make();
    const user = newUser();
    const listening = [
      await listenTo(one.feed, user),
      await listenTo(one.feed, user),
      await listenTo(other.feed, user),
    ];
    for (const told of changes(1, 50)) one.feed.tell(user, told);
    for (const { heard } of listening) await eventually(() => heard).toEqual(changes(1, 50));
  },

  "another user's changes are never heard": async (make) => {
    const { one, other } = await make();
    const [ada, bob] = [newUser(), newUser()];
    const ofAda = await listenTo(one.feed, ada);
    const ofBob = await listenTo(other.feed, bob);
    for (let i = 0; i < 20; i += 1) {
      one.feed.tell(bob, change(`bob ${i}`));
      other.feed.tell(ada, change(`ada ${i}`));
    }
    await eventually(() => [ofAda.heard.length, ofBob.heard.length]).toEqual([20, 20]);
    expect(JSON.stringify(ofAda.heard)).not.toContain("bob");
    expect(JSON.stringify(ofBob.heard)).not.toContain("ada");
    // Nor with a cursor of the other's.
    const nosy = await listenTo(one.feed, bob, ofAda.cursor);
    one.feed.tell(bob, change("bob's last"));
    await eventually(() => nosy.heard.at(-1)).toEqual(change("bob's last"));
    expect(JSON.stringify(nosy.heard)).not.toContain("ada");
  },

  "who comes back with a cursor, to any server, gets exactly what came after it": async (make) => {
    const { one, other } = await make();
    const user = newUser();
    const before = await listenTo(one.feed, user);
    one.feed.tell(user, change(1));
    await eventually(() => before.heard).toEqual([change(1)]);
    await before.stop();
    for (const told of changes(2, 30)) other.feed.tell(user, told);
    for (const { feed } of [one, other]) {
      const after = await listenTo(feed, user, before.cursor);
      await eventually(() => after.heard).toEqual(changes(2, 30));
    }
    other.feed.tell(user, change(31));
    const last = await listenTo(one.feed, user, before.cursor);
    await eventually(() => last.heard).toEqual(changes(2, 31));
  },

  "the first entry's id is a cursor, too": async (make) => {
    const { one, other } = await make();
    const user = newUser();
    const { cursor, stop } = await listenTo(one.feed, user);
    await stop();
    other.feed.tell(user, change(1));
    const again = await listenTo(one.feed, user, cursor);
    await eventually(() => again.heard).toEqual([change(1)]);
    await again.stop();
    const oncemore = await listenTo(other.feed, user, again.cursor);
    one.feed.tell(user, change(2));
    await eventually(() => oncemore.heard).toEqual([change(2)]);
  },

  "who comes back while changes come misses none and hears none twice": async (make) => {
    const { one, other } = await make();
    const user = newUser();
    const heard = [];
    let { cursor, stop } = await listenTo(one.feed, user);
    await stop();
    for (let round = 0; round < 10; round += 1) {
      for (const told of changes(round * 10 + 1, round * 10 + 10)) (round % 2 ? one : other).feed.tell(user, told);
      const listening = await listenTo((round % 3 ? one : other).feed, user, cursor);
      await eventually(() => listening.heard.length).toBeGreaterThan(0);
      await listening.stop();
      heard.push(...listening.heard);
      ({ cursor, stop } = listening);
    }
    const last = await listenTo(one.feed, user, cursor);
    await eventually(() => heard.length + last.heard.length).toBe(100);
    expect([...heard, ...last.heard]).toEqual(changes(1, 100));
  },

  "a cursor of which nothing is known is answered with a resync, and the next is good": async (make) => {
    const { one } = await make();
    const user = newUser();
    await listenTo(one.feed, user);
    for (const cursor of [
      "",
      "x",
      "0",
      "0-0",
      "7-7",
      "99999999999999-0",
      "99999999999999999999-1",
      `${randomUUID()}-1`,
    ]) {
      const lost = await listenTo(one.feed, user, cursor);
      await eventually(() => lost.heard, cursor).toEqual([RESYNC]);
      const found = await listenTo(one.feed, user, lost.cursor);
      one.feed.tell(user, change(cursor));
      await eventually(() => found.heard, cursor).toEqual([change(cursor)]);
    }
  },

  "who comes back after more than is kept gets a resync in place of all of it": async (make) => {
    const { one, other } = await make({ entriesMax: 10 });
    const user = newUser();
    const { cursor, stop } = await listenTo(one.feed, user);
    await stop();
    for (const told of changes(1, 300)) one.feed.tell(user, told);
    const late = await listenTo(other.feed, user, cursor);
    other.feed.tell(user, change(301));
    await eventually(() => late.heard).toEqual([RESYNC, change(301)]);
  },

  "a listener that is too slow gets a resync, holds back nobody, and goes on": async (make) => {
    const { one, other } = await make({ entriesMax: 10 });
    const user = newUser();
    const stopping = new AbortController();
    const slow = one.feed.follow(user, null, stopping.signal);
    await slow.next();
    const fast = await listenTo(one.feed, user);
    for (let i = 1; i <= 100; i += 1) {
      other.feed.tell(user, change(i));
      await eventually(() => fast.heard.length).toBe(i);
    }
    expect((await slow.next()).value).toMatchObject({ change: RESYNC, id: fast.cursor });
    other.feed.tell(user, change(101));
    expect((await slow.next()).value).toMatchObject({ change: change(101) });
    stopping.abort();
    expect(await slow.next()).toEqual({ done: true, value: undefined });
  },

  "500 listeners of 50 people each hear their own, and end with their signals": async (make) => {
    const { one, other } = await make();
    const people = Array.from({ length: 50 }, newUser);
    const listening = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const user = people[i % 50] as number;
        return { user, ...(await listenTo((i % 2 ? one : other).feed, user)) };
      }),
    );
    for (const user of people) {
      for (let i = 0; i < 5; i += 1) (i % 2 ? one : other).feed.tell(user, change(`${user} ${i}`));
    }
    for (const { user, heard } of listening) {
      await eventually(() => heard.length).toBe(5);
      expect(heard.every((told) => told.type !== "resync" && told.conversation_id.startsWith(`${user} `))).toBe(true);
    }
    await Promise.all(listening.map(({ stop }) => stop()));
  },

  "a listener ends with its signal, whether it waits or has not begun": async (make) => {
    const { one } = await make();
    const stopping = new AbortController();
    const waiting = one.feed.follow(newUser(), null, stopping.signal);
    await waiting.next();
    const next = waiting.next();
    stopping.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    const late = one.feed.follow(newUser(), null, stopping.signal);
    await late.next();
    expect(await late.next()).toEqual({ done: true, value: undefined });
  },
};

export const CONFORMANCE = { "reply streams": REPLY_STREAMS, signals: SIGNALS, "change feed": FEED };
