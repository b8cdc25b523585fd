import { createClient, type BackscrollClient, type Message } from "../../client/src/index.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { scriptedServices } from "../../backscroll/test/scripted-responder.ts";
import type { ThreadReads } from "../src/thread/thread-pages.ts";
import { ThreadStore } from "../src/thread/thread-store.ts";

const POLL = { timeout: 10_000, interval: 10 };
const HELD_MAX = 120;

interface Stage {
  readonly client: BackscrollClient;
  readonly id: string;
  /** what the service holds now, as far as was answered; by seq */
  readonly alive: Map<number, Message>;
  save(count: number): Promise<readonly Message[]>;
  drop(message: Message): Promise<void>;
  /** @returns a thread of the conversation, which is told of every change */
  thread(reads?: ThreadReads): ThreadStore;
}

async function newStage(count: number): Promise<Stage> {
  const services = await scriptedServices({ local: true });
  const client = createClient({ baseUrl: services.url, retries: 0 });
  const { conversation_id: id } = await client.createConversation();
  const alive = new Map<number, Message>();
  const stage: Stage = {
    client,
    id,
    alive,
    async save(count) {
      const texts = Array.from({ length: count }, (_, i) => ({ role: "user" as const, content: `message ${i}` }));
      const saved = await client.saveMessages(id, texts);
      for (const message of saved) alive.set(message.seq, message);
      return saved;
    },
    async drop(message) {
      // Beforehand: an answer without it is right from now on.
      alive.delete(message.seq);
      await client.deleteMessage(id, message.id);
    },
    thread(reads = client) {
      const thread = new ThreadStore(reads, id, HELD_MAX);
      void follow(client, thread);
      return thread;
    },
  };
  for (let saved = 0; saved < count; saved += 100) await stage.save(Math.min(100, count - saved));
  return stage;
}

async function follow(client: BackscrollClient, thread: ThreadStore): Promise<void> {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  try {
    for await (const change of client.followChanges({ signal: stop.signal })) {
      if (change.type === "ready" || change.type === "resync" || change.conversation_id === thread.conversationId)
        thread.onChange(change);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

function seqs(thread: ThreadStore): number[] {
  return thread.ids.map((id) => thread.message(id)?.stored?.seq ?? Number.NaN);
}

/** Whether what is shown is a part of the conversation: in order, each once, none missing in between. */
function expectNoGap(thread: ThreadStore, alive: ReadonlyMap<number, Message>): void {
  const shown = seqs(thread);
  expect(shown).toEqual([...new Set(shown)].toSorted((a, b) => a - b));
  expect(shown.length).toBeLessThanOrEqual(HELD_MAX);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  const missing = [...alive.keys()].filter((seq) => seq > low && seq < high && !shown.includes(seq));
  expect(missing).toEqual([]);
}

/** Answers come late, and not in the order in which they were asked for. */
function slow(reads: ThreadReads, random: () => number): ThreadReads {
  const delayed =
    <Args extends unknown[], Answer>(read: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      const answer = await read(...args);
      await sleep(random() * 15);
      return answer;
    };
  return eachRead(reads, delayed);
}

/** @returns reads that each do something more */
function eachRead(
  reads: ThreadReads,
  more: <Args extends unknown[], Answer>(read: (...args: Args) => Promise<Answer>) => typeof read,
): ThreadReads {
  return {
    getRecentMessages: more((...args) => reads.getRecentMessages(...args)),
    getMessagesAfter: more((...args) => reads.getMessagesAfter(...args)),
    getMessagesAround: more((...args) => reads.getMessagesAround(...args)),
    getFullHistory: more((...args) => reads.getFullHistory(...args)),
  };
}

/** Park and Miller's: the same every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

function pick<Item>(items: readonly Item[], random: () => number): Item | undefined {
  return items[Math.floor(random() * items.length)];
}

test.each([1, 2, 3])(
  "whatever is read, saved, edited and deleted at once (%i), nothing is missing or double",
  async (seed) => {
    const random = seeded(seed * 7_919);
    const stage = await newStage(300);
    const thread = stage.thread(slow(stage.client, random));
    const gaps: unknown[] = [];
    thread.subscribe("ids", () => {
      // Thrown in here it would be taken for a failed read.
      try {
        expectNoGap(thread, stage.alive);
      } catch (error) {
        gaps.push(error);
      }
    });
    await thread.open();
    const steps: readonly (() => unknown)[] = [
      () => thread.loadOlder(),
      () => thread.loadOlder(),
      () => thread.loadNewer(),
      () => thread.openNewest(),
      () => thread.openOldest(),
      () => thread.openAround(pick([...stage.alive.values()], random)?.id ?? ""),
      () => stage.save(1 + Math.floor(random() * 30)),
      () => drop(pick([...stage.alive.values()], random)),
      () => drop(stage.alive.get(Math.max(...stage.alive.keys()))),
      () => drop(stage.alive.get(seqs(thread)[0] ?? 0)),
      () => edit(pick([...stage.alive.values()], random)),
    ];
    const drop = (message: Message | undefined): unknown => message && stage.drop(message);
    const edit = async (message: Message | undefined): Promise<void> => {
      // Deleted meanwhile, perhaps.
      if (message)
        await stage.client.editMessage(stage.id, message.id, { content: `edited ${random()}` }).catch(() => 0);
    };
    const running: unknown[] = [];
    for (let step = 0; step < 150; step += 1) {
      running.push(pick(steps, random)?.());
      if (random() < 0.5) await sleep(random() * 10);
    }
    await Promise.all(running);
    await thread.openNewest();
    const newest = async (): Promise<unknown> => {
      await thread.loadNewer();
      const held = thread.ids.map((id) => [id, thread.message(id)?.content]);
      const { messages } = await stage.client.getRecentMessages(stage.id, { limit: 200 });
      return expect(held).toEqual(
        messages
          .toReversed()
          .slice(-held.length)
          .map(({ id, content }) => [id, content]),
      );
    };
    await expect.poll(() => newest().then(() => "same", String), POLL).toBe("same");
    while (thread.state.older.state !== "end") await thread.loadOlder();
    const all = [...stage.alive.keys()].toSorted((a, b) => a - b);
    expect(seqs(thread)).toEqual(all.slice(0, HELD_MAX));
    expect(gaps).toEqual([]);
  },
);

test("a long conversation is walked from its end to its beginning and back, a part of it held at a time", async () => {
  const stage = await newStage(500);
  const thread = stage.thread();
  await thread.open();
  expect(seqs(thread)).toHaveLength(20);
  const seen = new Set(seqs(thread));
  const walk = async (end: "older" | "newer"): Promise<void> => {
    while (thread.state[end].state !== "end") {
      await (end === "older" ? thread.loadOlder() : thread.loadNewer());
      expectNoGap(thread, stage.alive);
      for (const seq of seqs(thread)) seen.add(seq);
    }
  };
  await walk("older");
  expect(seen.size).toBe(500);
  expect(seqs(thread)[0]).toBe(1);
  expect(thread.state).toMatchObject({ isDetached: true, newer: { state: "more" } });
  await stage.save(3);
  await walk("newer");
  expect(seqs(thread).at(-1)).toBe(503);
  expect(thread.state).toMatchObject({ isDetached: false, older: { state: "more" } });
});

test("what is saved, edited and deleted elsewhere shows", async () => {
  const stage = await newStage(30);
  const thread = stage.thread();
  await thread.open();
  await stage.save(45);
  await expect.poll(() => seqs(thread).at(-1), POLL).toBe(75);
  expectNoGap(thread, stage.alive);
  const message = stage.alive.get(40) as Message;
  await stage.client.editMessage(stage.id, message.id, { content: "edited" });
  await expect.poll(() => thread.message(message.id)?.content, POLL).toBe("edited");
  await stage.drop(message);
  await expect.poll(() => thread.message(message.id), POLL).toBeNull();
});

test("a message that is sent keeps its id and its place; one that failed stays until it is discarded", async () => {
  const stage = await newStage(2);
  const thread = stage.thread();
  await thread.open();
  thread.addSending("mine", "hello");
  expect(thread.message("mine")).toMatchObject({ state: "sending", role: "user", stored: null });
  thread.markFailed("mine", new Error("no network"));
  expect(thread.message("mine")).toMatchObject({ state: "failed" });
  const ids = thread.ids;
  thread.addSending("mine", "hello");
  thread.upsert([await stage.client.saveMessage(stage.id, { role: "user", content: "hello", id: "mine" })]);
  expect(thread.message("mine")).toMatchObject({ state: "stored" });
  expect(thread.ids).toBe(ids);
  // The answer was lost, but the message is known to be there.
  thread.markFailed("mine", new Error("no network"));
  expect(thread.message("mine")).toMatchObject({ state: "stored" });

  thread.addSending("other", "bye");
  thread.markFailed("other", new Error("no network"));
  thread.remove("other");
  expect(thread.ids.at(-1)).toBe("mine");
});

test("a reply grows, and is replaced by the stored one", async () => {
  const stage = await newStage(2);
  const thread = stage.thread();
  await thread.open();
  const told: string[] = [];
  thread.setReplyText("reply", "Once");
  thread.subscribe("message reply", () => told.push(thread.message("reply")?.content ?? "nothing"));
  const { ids } = thread;
  thread.setReplyText("reply", "Once upon");
  thread.setReplyText("reply", "Once upon a time");
  expect(thread.ids).toBe(ids);
  expect(told).toEqual(["Once upon", "Once upon a time"]);
  await stage.client.saveMessage(stage.id, { role: "assistant", content: "Once upon a time.", id: "reply" });
  await expect.poll(() => thread.message("reply")?.state, POLL).toBe("stored");
  thread.setReplyText("reply", "Once");
  expect(thread.message("reply")?.content).toBe("Once upon a time.");
});

test("a deletion that fails is taken back, to where the message was", async () => {
  const stage = await newStage(5);
  const thread = stage.thread();
  await thread.open();
  const putBack = thread.remove(stage.alive.get(3)?.id ?? "");
  expect(seqs(thread)).toEqual([1, 2, 4, 5]);
  await stage.save(1);
  await expect.poll(() => seqs(thread), POLL).toEqual([1, 2, 4, 5, 6]);
  putBack();
  expect(seqs(thread)).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a page that cannot be read is an error at its end, and is read by a retry", async () => {
  const stage = await newStage(60);
  let isDown = false;
  const unless =
    <Args extends unknown[], Answer>(read: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      if (isDown) throw new Error("down");
      return read(...args);
    };
  const thread = stage.thread(eachRead(stage.client, unless));
  await thread.open();
  isDown = true;
  await thread.loadOlder();
  expect(thread.state.older).toMatchObject({ state: "error" });
  await stage.save(1);
  await expect.poll(() => thread.state.newer.state, POLL).toBe("error");
  isDown = false;
  thread.retry();
  await expect.poll(() => seqs(thread), POLL).toEqual(Array.from({ length: 61 }, (_, i) => i + 1));
  expect(thread.state).toMatchObject({ older: { state: "end" }, newer: { state: "end" } });
});

test("after changes were missed, what is held is read again around the reader", async () => {
  const stage = await newStage(300);
  const thread = new ThreadStore(stage.client, stage.id);
  await thread.open();
  const target = stage.alive.get(150) as Message;
  expect(await thread.openAround(target.id)).toBe("shown");
  thread.readingPlace = { id: target.id, offsetPx: 0 };
  await stage.drop(stage.alive.get(149) as Message);
  await stage.client.editMessage(stage.id, target.id, { content: "edited" });
  thread.onChange({ type: "resync", event_id: "1" });
  await expect.poll(() => thread.message(target.id)?.content, POLL).toBe("edited");
  expect(seqs(thread)).not.toContain(149);
});

test("an unknown conversation is gone, an unknown message is missing", async () => {
  const stage = await newStage(3);
  const unknown = new ThreadStore(stage.client, "0192f3a0-0000-7000-8000-000000000000");
  await unknown.open();
  expect(unknown.state.phase).toBe("gone");
  const thread = stage.thread();
  expect(await thread.openAround("0192f3a0-0000-7000-8000-000000000000")).toBe("missing");
  await thread.open();
  expect(seqs(thread)).toEqual([1, 2, 3]);
});
