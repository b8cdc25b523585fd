import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { World } from "./cache-subjects.ts";
import {
  ADA,
  ask,
  BOB,
  converse,
  down,
  evictLists,
  fillLate,
  read,
  readOn,
  readUntilHit,
  say,
  servers,
  told,
  toText,
  warm,
  within,
} from "./cache-telling.ts";
import { post } from "./service-process.ts";

/** One way in which the guide's cache lies. */
export interface Lie {
  readonly letter: string;
  /** what must hold instead */
  readonly guarantee: string;
  /** @returns what readers are told in the end: the contents, newest first, or the status of a refusal */
  readonly tell: (world: World) => Promise<string>;
  readonly truth: string;
  /** what the guide's cache tells */
  readonly lie: string;
}

export const LIES: readonly Lie[] = [
  {
    letter: "a",
    guarantee: "a new message does not make a conversation that is not cached one of a single message",
    truth: down(21, 2),
    lie: "21",
    async tell(world) {
      const server = await world.server();
      const id = await converse(server, 20);
      await warm([server], id);
      await world.redis.ask("FLUSHALL");
      await say(server, id, "21");
      return read(server, id);
    },
  },
  {
    letter: "b",
    guarantee: "a miss with a small limit does not shorten what a larger limit gets",
    truth: down(20, 1),
    lie: down(20, 16),
    async tell(world) {
      const server = await world.server();
      const id = await converse(server, 20);
      await warm([server], id);
      await world.redis.ask("FLUSHALL");
      await read(server, id, 5);
      return read(server, id);
    },
  },
  {
    letter: "c",
    guarantee: "a limit beyond what is cached is answered whole",
    truth: down(30, 1),
    lie: down(30, 11),
    async tell(world) {
      const server = await world.server();
      const id = await converse(server, 30);
      await warm([server], id);
      return read(server, id, 50);
    },
  },
  {
    letter: "d",
    guarantee: "two writers whose messages reach the cache in the other order are read in the database's",
    truth: "8 7 6 5 4 3 2 1",
    lie: "7 8 6 5 4 3 2 1",
    async tell(world) {
      const [slow, fast] = await servers(world);
      const id = await converse(slow, 6);
      await warm([slow, fast], id);
      const held = slow.relay.hold(world.subject.isAppend);
      const seventh = say(slow, id, "7");
      await held.came;
      await say(fast, id, "8");
      held.release();
      await seventh;
      return readOn([slow, fast], id);
    },
  },
  {
    letter: "e",
    guarantee: "two misses at once do not double a conversation",
    truth: "3 2 1",
    lie: "3 2 1 3 2 1",
    async tell(world) {
      const [slow, fast] = await servers(world);
      const id = await converse(slow, 3);
      await warm([slow, fast], id);
      return fillLate(world, slow, id, async () => {
        await read(fast, id);
        return [slow, fast];
      });
    },
  },
  {
    letter: "f",
    guarantee: "a reader that brings in an old snapshot does not hide a message written meanwhile",
    truth: "4 3 2 1",
    lie: "3 2 1",
    async tell(world) {
      const [slow, fast] = await servers(world);
      const id = await converse(slow, 3);
      await warm([slow, fast], id);
      return fillLate(world, slow, id, async () => {
        await say(fast, id, "4");
        // Redis may evict what it likes. (The guide's list of one, on its own, would be completed by the reader.)
        await evictLists(world);
        return [slow, fast];
      });
    },
  },
  {
    letter: "f",
    guarantee: "a reader between COMMIT and the cache does not double the message",
    truth: "4 3 2 1",
    lie: "4 4 3 2 1",
    async tell(world) {
      const [writing, reading] = await servers(world);
      const id = await converse(writing, 3);
      await warm([writing, reading], id);
      await world.redis.ask("FLUSHALL");
      const held = writing.relay.hold(world.subject.isAppend);
      const fourth = say(writing, id, "4");
      await held.came;
      expect(await readUntilHit(reading, id)).toBe("4 3 2 1");
      held.release();
      await fourth;
      return readOn([writing, reading], id);
    },
  },
  {
    letter: "g",
    guarantee: "a Redis that was down for one write and comes back with its old list is not believed",
    truth: "4 3 2 1",
    lie: "3 2 1",
    async tell(world) {
      const [writing, reading] = await servers(world);
      const id = await converse(writing, 3);
      const bystander = await converse(writing, 1);
      await warm([writing, reading], id);
      await warm([writing, reading], bystander);
      await world.redis.ask("SAVE");
      await world.redis.kill();
      await say(writing, id, "4");
      await world.redis.restart();
      // Connected again: who reads while it connects may fill twice, which is another lie.
      await warm([writing, reading], bystander);
      return told([await readUntilHit(writing, id), await readUntilHit(reading, id)]);
    },
  },
  {
    letter: "h",
    guarantee: "a retry that is told `stored` reads its message, though the first try died before the cache knew",
    truth: "4 3 2 1",
    lie: "3 2 1",
    async tell(world) {
      const dying = await world.process();
      const other = await world.server({ local: true });
      const id = await converse(other, 3);
      await warm([other], id);
      const message = { id: randomUUID(), role: "user", content: "4" };
      const held = dying.relay.hold(world.subject.isAppend);
      const first = post(`${dying.url}/api/conversations/${id}/messages`, message).then(
        ({ status }) => status,
        () => "died",
      );
      await held.came;
      expect(toText(await ask(other, id, "?consistency=strong")), "PostgreSQL has it").toBe("4 3 2 1");
      await dying.kill();
      expect(await first).toBe("died");
      const retry = await other.call(ADA, "POST", `/api/conversations/${id}/messages`, message);
      expect(retry.status, "it was there already").toBe(200);
      return read(other, id);
    },
  },
  {
    letter: "i",
    guarantee: "a deleted conversation does not answer, whoever was reading it when it was deleted",
    truth: "404",
    lie: "3 2 1",
    async tell(world) {
      const [slow, fast] = await servers(world);
      const id = await converse(slow, 3);
      await warm([slow, fast], id);
      return fillLate(world, slow, id, async () => {
        const deleted = await fast.call(ADA, "DELETE", `/api/conversations/${id}`);
        expect(deleted.status).toBe(200);
        return [slow, fast];
      });
    },
  },
  {
    letter: "j",
    guarantee: "another person with the same conversation id reads nothing",
    truth: "404",
    lie: "3 2 1",
    async tell(world) {
      const server = await world.server();
      const id = await converse(server, 3);
      await warm([server], id);
      return toText(await ask(server, id, "", BOB));
    },
  },
  {
    letter: "j",
    guarantee: "two people with the same conversation id write and read each their own",
    truth: "3 2 1 / other other other",
    lie: "other other other",
    async tell(world) {
      const server = await world.server();
      const id = await converse(server, 3);
      await warm([server], id);
      await server.call(BOB, "POST", "/api/conversations", { id });
      for (let n = 0; n < 3; n += 1) await say(server, id, "other", BOB);
      return told([await read(server, id), toText(await ask(server, id, "", BOB))]);
    },
  },
  {
    letter: "k",
    guarantee: "a reader that brings in the old text does not undo an edit",
    truth: "3! 2 1",
    lie: "3 2 1",
    async tell(world) {
      const [slow, fast] = await servers(world);
      const id = await converse(slow, 2);
      const messageId = await say(slow, id, "3");
      await warm([slow, fast], id);
      return fillLate(world, slow, id, async () => {
        const edited = await fast.call(ADA, "PATCH", `/api/conversations/${id}/messages/${messageId}`, {
          content: "3!",
        });
        expect(edited.status).toBe(200);
        return [slow, fast];
      });
    },
  },
  {
    letter: "l",
    guarantee: "a frozen Redis hangs nobody",
    truth: "4 3 2 1",
    lie: "hangs",
    async tell(world) {
      const server = await world.server({ timeoutMs: 50 });
      const id = await converse(server, 3);
      await warm([server], id);
      world.redis.freeze();
      const answer = await within(2_000, async () => {
        await say(server, id, "4");
        return toText(await ask(server, id));
      });
      world.redis.thaw();
      return answer;
    },
  },
];
