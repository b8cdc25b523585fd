import type { CacheNode } from "../conversation-cache.ts";
import { errorMessage } from "../../domain/errors.ts";
import {
  type Connection,
  type ConnectionSettings,
  keepConnected,
  nameOf,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
  tellOnce,
} from "./connection.ts";
import type { RedisLink } from "./redis-link.ts";
import { answerWithin, openSession, wait } from "./session.ts";
import { SLOTS, slotOf } from "./slots.ts";
import type { Server } from "./url.ts";

/** What a node may take to tell its slots before the next is asked. */
const ASK_MS = 1_000;
const NO_MASTER = "the cluster has no master for this slot";

/**
 * One connection to each master. Who has which slot is asked again every `checkIntervalMs`, after a connection was
 * lost, and after a redirection to a node that is not known as a master.
 *
 * Written out instead of node-redis' cluster: that one queues while a master is away, and sends again by itself.
 */
export function openCluster(
  seeds: readonly Server[],
  settings: ConnectionSettings,
): { link: RedisLink; opened: Promise<void> } {
  const { checkIntervalMs } = settings;
  const masters = new Map<string, Connection>();
  // One object an address for ever: it says of an address that left that it holds nothing.
  const nodes = new Map<string, CacheNode>();
  let owners: (string | undefined)[] = [];
  const closing = new AbortController();
  const tell = tellOnce(settings.onError);
  const opened = Promise.withResolvers<void>();
  let awaken = new AbortController();
  const wake = (): void => awaken.abort();

  const isCovered = (): boolean => owners.length === SLOTS && !owners.includes(undefined);
  const isSettled = (): boolean => isCovered() && [...masters.values()].every(({ isOpen }) => isOpen);

  /** Of a slot whose master the cluster does not tell, or is not asked yet. */
  const nobody: CacheNode = {
    name: "no master",
    incarnation: {},
    async ping() {
      if (!isCovered()) throw new Error(NO_MASTER);
    },
  };

  const refresh = async (): Promise<void> => {
    const ranges = await askForSlots();
    if (closing.signal.aborted) return;
    const next = Array.from<string | undefined>({ length: SLOTS });
    const servers = new Map<string, Server>();
    for (const { from, to, master } of ranges) {
      servers.set(nameOf(master), master);
      next.fill(nameOf(master), from, to + 1);
    }
    for (const [name, connection] of masters) {
      // A replica of tomorrow: should it be a master again, then as another incarnation.
      if (!servers.has(name)) connection.close();
      if (!servers.has(name)) masters.delete(name);
    }
    for (const [name, server] of servers) {
      if (!masters.has(name)) masters.set(name, connectTo(server));
    }
    owners = next;
    void resolveOpened();
  };

  const resolveOpened = async (): Promise<void> => {
    await Promise.all(Array.from(masters.values(), (connection) => connection.opened));
    if (isSettled()) opened.resolve();
  };

  const connectTo = (server: Server): Connection =>
    keepConnected({ ...settings, locate: async () => server, mastersOnly: true, onLost: wake });

  const nodeAt = (name: string): CacheNode => {
    const known = nodes.get(name);
    if (known) return known;
    const node: CacheNode = {
      name,
      get incarnation() {
        return masters.get(name)?.incarnation ?? nobody.incarnation;
      },
      ping: async () => void (await masters.get(name)?.send(["PING"])),
    };
    nodes.set(name, node);
    return node;
  };

  /** Asks a master that is connected, any of them; when none answers, the nodes of the URL. */
  const askForSlots = async (): Promise<readonly SlotRange[]> => {
    const faults: string[] = [];
    const { signal } = closing;
    const ask = async (server: Server, send: Connection["send"]): Promise<readonly SlotRange[]> =>
      parseSlots(await answerWithin(send(["CLUSTER", "SLOTS"]), ASK_MS, signal), server);
    for (const { server, isOpen, send } of shuffled([...masters.values()])) {
      if (!isOpen || !server) continue;
      try {
        return await ask(server, send);
      } catch (error) {
        faults.push(`${nameOf(server)}: ${errorMessage(error)}`);
      }
    }
    for (const seed of shuffled(seeds)) {
      try {
        const session = await openSession(seed, settings, signal);
        return await ask(seed, session.send).finally(session.close);
      } catch (error) {
        faults.push(`${nameOf(seed)}: ${errorMessage(error)}`);
      }
    }
    throw new Error(`no node of the cluster answers: ${faults.join("; ")}`);
  };

  const run = async (): Promise<void> => {
    for (let delayMs = RETRY_MS_MIN; !closing.signal.aborted;) {
      awaken = new AbortController();
      try {
        await refresh();
        tell(null);
      } catch (error) {
        if (!closing.signal.aborted) tell(error);
      }
      await wait(delayMs, closing.signal).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, RETRY_MS_MAX);
      if (!isSettled()) continue;
      delayMs = RETRY_MS_MIN;
      await wait(checkIntervalMs, AbortSignal.any([closing.signal, awaken.signal])).catch(() => undefined);
    }
  };
  void run();

  const ownerOf = (key: string): Connection | undefined => masters.get(owners[slotOf(key)] ?? "");

  const link: RedisLink = {
    node(key) {
      const name = owners[slotOf(key)];
      return name === undefined ? nobody : nodeAt(name);
    },

    async send(key, args) {
      const owner = ownerOf(key);
      if (!owner) throw new Error(NO_MASTER);
      try {
        return await owner.send(args);
      } catch (error) {
        const moved = /^MOVED (\d+) (\S+)$/.exec(errorMessage(error));
        if (!moved) throw error;
        const [, slot, name = ""] = moved;
        const target = masters.get(name);
        if (!target?.isOpen) {
          wake();
          throw error;
        }
        // Refused by the old owner, so not sent twice; the node that answers is the slot's from here on.
        owners[Number(slot)] = name;
        return await target.send(args);
      }
    },

    async sendToAll(run) {
      if (!isSettled()) throw new Error("the cluster has slots without a master, or masters without a connection");
      return Promise.all(Array.from(masters.values(), ({ send }) => run(send)));
    },

    close() {
      closing.abort();
      for (const connection of masters.values()) connection.close();
    },
  };
  return { link, opened: opened.promise };
}

interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly master: Server;
}

/** @param asked the node that answers; it may not know its own address */
function parseSlots(reply: unknown, asked: Server): readonly SlotRange[] {
  return (reply as [number, number, [Buffer | null, number]][]).map(([from, to, [host, port]]) => {
    const name = String(host ?? "");
    return { from, to, master: { host: name === "" || name === "?" ? asked.host : name, port } };
  });
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
