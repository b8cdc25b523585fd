import type pg from "pg";
import { toStoredId } from "../../src/domain/ids.ts";
import type { Fleet } from "./fleet.ts";
import type { Health } from "./health.ts";
import type { Observations } from "./observations.ts";
import type { Fault } from "./program.ts";
import type { RedisControl } from "./redis-control.ts";
import type { Server } from "./server.ts";
import { type ConversationOfRun, nameOf } from "./true-history.ts";

/** What faults are made on. */
export interface FaultyWorld {
  readonly redis: RedisControl;
  /** straight to PostgreSQL */
  readonly database: pg.Client;
  readonly databaseId: string;
  readonly users: ReadonlyMap<string, number>;
  readonly conversations: readonly ConversationOfRun[];
  readonly health: Health;
  readonly observations: Observations;
  readonly fleet: Fleet;
  /** PostgreSQL is out of this server's reach until the function returned is called. */
  beginOutage(server: Server): () => void;
  /** Every server is asked for every conversation until its cache answers; nobody writes meanwhile. */
  lookAround(): Promise<void>;
  /** resolves when so many steps are done, or all */
  stepsDone(count: number): Promise<void>;
}

/** Lets the faults of a program happen, each at its time; those that need the same thing wait for each other. */
export async function makeFaults(world: FaultyWorld, faults: readonly Fault[]): Promise<void> {
  const last = new Map<string, Promise<void>>();
  const running = faults
    .toSorted((a, b) => a.at - b.at)
    .map(async (fault) => {
      const needs = neededBy(fault);
      const before = needs.flatMap((need) => last.get(need) ?? []);
      const { promise: over, resolve } = Promise.withResolvers<void>();
      for (const need of needs) last.set(need, over);
      try {
        await world.stepsDone(fault.at);
        await Promise.all(before);
        await make(world, fault);
      } finally {
        resolve();
      }
    });
  await Promise.all(running);
}

function neededBy(fault: Fault): readonly string[] {
  switch (fault.kind) {
    case "delayRedis":
    case "freezeRedis":
    case "cutRedis":
      return [`redis of ${fault.server}`];
    case "delayPostgres":
    case "cutPostgres":
      return [`postgres of ${fault.server}`];
    case "crash":
      return [`redis of ${fault.server}`, `postgres of ${fault.server}`];
    case "unlisten":
      return [];
    case "killRedis":
    case "rollBackRedis":
    case "stopRedis":
    case "flushRedis":
    case "killClients":
    case "starveRedis":
    case "evict":
      return ["redis"];
  }
}

async function make(world: FaultyWorld, fault: Fault): Promise<void> {
  const { redis, observations } = world;
  const tell = (text: string): void => observations.tell(`*** ${fault.kind} ${text}`);
  const over = (): Promise<void> => world.stepsDone(fault.at + fault.lasts);
  tell("begins");
  switch (fault.kind) {
    case "delayRedis":
    case "delayPostgres": {
      const server = world.fleet.at(fault.server);
      const relay = fault.kind === "delayRedis" ? server.redis : server.postgres;
      relay.delay(fault);
      await over();
      relay.heal();
      break;
    }
    case "freezeRedis":
    case "cutRedis": {
      const server = world.fleet.at(fault.server);
      const end = unhealthy(world, [server]);
      if (fault.kind === "freezeRedis") server.redis.freeze();
      else server.redis.cut();
      await over();
      server.redis.heal();
      end();
      break;
    }
    case "cutPostgres": {
      const server = world.fleet.at(fault.server);
      const end = unhealthy(world, [server]);
      const endOutage = world.beginOutage(server);
      server.postgres.cut();
      await over();
      server.postgres.heal();
      endOutage();
      end();
      break;
    }
    case "crash": {
      const { postgres } = world.fleet.at(fault.server);
      // What it has committed and not told yet dies with it.
      postgres.delay({ out: 0, back: 40 });
      await over();
      await world.fleet.replace(fault.server);
      break;
    }
    case "unlisten":
      await unlisten(world);
      break;
    case "killRedis": {
      const end = unhealthy(world, world.fleet.all);
      await redis.kill();
      await over();
      await redis.restart("empty");
      end();
      break;
    }
    case "rollBackRedis": {
      await redis.snapshot();
      tell("has a snapshot");
      await over();
      const end = unhealthy(world, world.fleet.all);
      await redis.restart("snapshot");
      end();
      break;
    }
    case "stopRedis": {
      const end = unhealthy(world, world.fleet.all);
      redis.stop();
      await over();
      redis.continue();
      end();
      break;
    }
    case "flushRedis":
      await redis.ask("FLUSHALL");
      break;
    case "killClients":
      await redis.ask("CLIENT", "KILL", "TYPE", "normal");
      break;
    case "starveRedis": {
      const used = /used_memory:(\d+)/.exec(String(await redis.ask("INFO", "memory")))?.[1] ?? "0";
      await redis.ask("CONFIG", "SET", "maxmemory", used, "maxmemory-policy", "allkeys-lru");
      await over();
      await redis.ask("CONFIG", "SET", "maxmemory", "0");
      break;
    }
    case "evict":
      for (let part = 0; part <= 4; part += 1) {
        await world.stepsDone(fault.at + (fault.lasts * part) / 4);
        await redis.ask("DEL", keyOf(world, fault.conversation, fault.key));
      }
      break;
  }
  tell("is over");
  if (fault.look || fault.kind === "rollBackRedis") await world.lookAround();
}

/** @returns what says that the fault is over */
function unhealthy({ health }: FaultyWorld, servers: readonly Server[]): () => void {
  const ends = servers.map((server) => health.begin(server));
  return () => {
    for (const end of ends) end();
  };
}

/** Announcements are not heard until each server listens again. */
async function unlisten({ database, databaseId }: FaultyWorld): Promise<void> {
  await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'backscroll announcements' and query like '%' || $1 || '%'`,
    [databaseId.replaceAll("-", "")],
  );
}

export function keyOf(
  { databaseId, users, conversations }: Pick<FaultyWorld, "databaseId" | "users" | "conversations">,
  nth: number,
  key: "messages" | "version" | "lease",
): string {
  const conversation = conversations[nth % conversations.length];
  if (!conversation) throw new Error("there are conversations");
  const userId = users.get(conversation.user);
  if (userId === undefined) throw new Error(`${nameOf(conversation)} belongs to nobody`);
  return `backscroll:${databaseId}:conversation:{${userId}:${toStoredId(userId, conversation.id).id}}:${key}`;
}
