import { randomUUID } from "node:crypto";
import type { BoundedLink } from "../../cache/redis/bounded-link.ts";
import { loadScript, runScript } from "../../cache/redis/scripts.ts";
import { HeldSlots } from "../held-slots.ts";
import type { StreamSlots } from "../stream-slots.ts";
import { InFlight } from "./in-flight.ts";
import type { NameKey } from "./key-names.ts";

export interface RedisSlotOptions {
  /** what a server that died held lapses after so long */
  readonly keepMs: number;
  readonly renewMs: number;
}

const OPTIONS: RedisSlotOptions = { keepMs: 60_000, renewMs: 20_000 };
const CLOSE_MS = 500;
/** users whose slots are renewed at the same time */
const BATCH = 100;

export interface RedisStreamSlots extends StreamSlots {
  /** Waits a moment for what was released. */
  close(): Promise<void>;
}

/** One sorted set a user: an open stream is a member, renewed by the server that holds it. */
export function createRedisStreamSlots(
  link: BoundedLink,
  nameKey: NameKey,
  options: Partial<RedisSlotOptions> = {},
): RedisStreamSlots {
  const { keepMs, renewMs } = { ...OPTIONS, ...options };
  const openScript = loadScript("open-slot");
  const renewScript = loadScript("renew-slots");
  const keyOf = (userId: number): string => nameKey("slots", String(userId));
  const run = randomUUID();
  let opened = 0;
  const held = new HeldSlots();
  const inFlight = new InFlight();

  const askToOpen = async (userId: number, name: string, max: number): Promise<boolean> => {
    try {
      const args = [name, String(max), String(keepMs)];
      return (await runScript(link, openScript, [keyOf(userId)], args)) === 1;
    } catch {
      return held.count(userId) < max;
    }
  };
  const remove = (userId: number, name: string): void => {
    const key = keyOf(userId);
    // One that stays lapses.
    inFlight.add(link.send(key, ["ZREM", key, name]).catch(() => undefined));
  };
  const renew = async (): Promise<void> => {
    const users = held.users;
    for (let next = 0; next < users.length; next += BATCH) {
      const renewals = users.slice(next, next + BATCH).map(async ([userId, names]) => {
        await runScript(link, renewScript, [keyOf(userId)], [String(keepMs), ...names]).catch(() => undefined);
        // What was released meanwhile may have been brought back.
        for (const name of names) if (!held.has(userId, name)) remove(userId, name);
      });
      await Promise.all(renewals);
    }
  };
  let renewing: Promise<void> | null = null;
  const timer = setInterval(() => void (renewing ??= renew().finally(() => (renewing = null))), renewMs).unref();

  return {
    async open(userId, max) {
      const name = `${run}:${(opened += 1)}`;
      if (!(await askToOpen(userId, name, max))) return null;
      return held.hold(userId, name, () => remove(userId, name));
    },
    close() {
      clearInterval(timer);
      return inFlight.ended(CLOSE_MS);
    },
  };
}
