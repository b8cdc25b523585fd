import { errorMessage } from "../../domain/errors.ts";
import type { CacheNode } from "../conversation-cache.ts";
import { Connection, type ConnectionSettings, nameOf, RETRY_MS_MAX, RETRY_MS_MIN, tellOnce } from "./connection.ts";
import type { LocatedLink } from "./redis-link.ts";
import { answerWithin, openSession, type Session, wait } from "./session.ts";
import { parseSlots, type SlotRange, slotOf, SLOTS } from "./slots.ts";
import type { Server } from "./url.ts";

/** What a node may take to tell its slots before the next is asked. */
const ASK_MS = 1_000;
const TRY_AGAIN_TIMES = 3;
const TRY_AGAIN_MS = 10;
const NO_MASTER = "the cluster has no master for this slot";

/**
 * One connection to each master. Who has which slot is asked again every `checkIntervalMs`, after a connection was
 * lost, and after a redirection to a node that is not known as a master.
 *
 * Written out instead of node-redis' cluster: that one lets commands wait while a master is away or new ones are
 * looked for, for ever if one of them does not answer.
 */
export class ClusterLink implements LocatedLink {
  /** resolves once every slot's master has been connected to */
  readonly opened: Promise<void>;
  readonly #seeds: readonly Server[];
  readonly #settings: ConnectionSettings;
  readonly #resolveOpened: () => void;
  readonly #masters = new Map<string, Connection>();
  /** who has which slot, by name */
  #owners: (string | undefined)[] = [];
  /** One object an address for ever: it says of an address that left that it holds nothing. */
  readonly #nodes = new Map<string, CacheNode>();
  readonly #closing = new AbortController();
  #waking = new AbortController();

  /** Of a slot whose master is not known. */
  readonly #nobody: CacheNode = {
    name: "no master",
    incarnation: {},
    ping: async () => {
      if (!this.#isCovered) throw new Error(NO_MASTER);
    },
  };

  constructor(seeds: readonly Server[], settings: ConnectionSettings) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.opened = promise;
    this.#resolveOpened = resolve;
    this.#seeds = seeds;
    this.#settings = settings;
    void this.#run();
  }

  get masters(): readonly Server[] {
    return [...this.#masters.values()].flatMap(({ isOpen, server }) => (isOpen && server ? [server] : []));
  }

  node(key: string): CacheNode {
    const name = this.#owners[slotOf(key)];
    if (name === undefined) return this.#nobody;
    const known = this.#nodes.get(name);
    if (known) return known;
    const incarnation = (): object => this.#masters.get(name)?.incarnation ?? this.#nobody.incarnation;
    const node: CacheNode = {
      name,
      get incarnation() {
        return incarnation();
      },
      // A node that is no master any more holds nothing: whoever waits for it waits no longer.
      ping: async () => void (await this.#masters.get(name)?.send(["PING"])),
    };
    this.#nodes.set(name, node);
    return node;
  }

  async send(key: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    const owner = this.#masters.get(this.#owners[slotOf(key)] ?? "");
    if (!owner) throw new Error(NO_MASTER);
    for (let tries = 1; ; tries += 1) {
      try {
        return await owner.send(args);
      } catch (error) {
        // Each of these is a refusal, so the command is not sent twice.
        const message = errorMessage(error);
        if (!message.startsWith("TRYAGAIN")) return this.#redirect(args, message, error);
        // A slot is being moved, and the keys of the command lie on both sides.
        if (tries === TRY_AGAIN_TIMES) throw error;
        await wait(TRY_AGAIN_MS, this.#closing.signal);
      }
    }
  }

  /** Follows a redirection to a connected master. @throws the refusal when it is none, or not connected */
  async #redirect(args: readonly (string | Buffer)[], message: string, refusal: unknown): Promise<unknown> {
    const [, kind, slot, name = ""] = /^(MOVED|ASK) (\d+) (\S+)$/.exec(message) ?? [];
    if (kind === undefined) throw refusal;
    const target = this.#masters.get(name);
    if (!target?.isOpen) {
      this.#waking.abort();
      throw refusal;
    }
    if (kind === "MOVED") {
      // The slot is the other's before its answer comes.
      this.#owners[Number(slot)] = name;
      return target.send(args);
    }
    // It holds for the next command on that connection.
    const [, reply] = await Promise.all([target.send(["ASKING"]), target.send(args)]);
    return reply;
  }

  async sendToAll<Reply>(
    run: (send: (args: readonly string[]) => Promise<unknown>) => Promise<Reply>,
  ): Promise<readonly Reply[]> {
    if (!this.#isSettled) throw new Error("the cluster has slots without a master, or masters without a connection");
    return Promise.all(Array.from(this.#masters.values(), (master) => run((args) => master.send(args))));
  }

  close(): void {
    this.#closing.abort();
    for (const master of this.#masters.values()) master.close();
  }

  get isOpen(): boolean {
    return this.#isSettled;
  }

  get #isCovered(): boolean {
    return this.#owners.length === SLOTS && !this.#owners.includes(undefined);
  }

  get #isSettled(): boolean {
    return this.#isCovered && [...this.#masters.values()].every(({ isOpen }) => isOpen);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const tell = tellOnce(this.#settings.onError);
    for (let delayMs = RETRY_MS_MIN; !signal.aborted; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      this.#waking = new AbortController();
      try {
        this.#take(await this.#askForSlots(signal));
        tell(null);
      } catch (error) {
        if (!signal.aborted) tell(error);
      }
      await wait(delayMs, signal).catch(() => undefined);
      if (!this.#isSettled) continue;
      const awake = AbortSignal.any([signal, this.#waking.signal]);
      await wait(this.#settings.checkIntervalMs, awake).catch(() => undefined);
      delayMs = RETRY_MS_MIN;
    }
  }

  #take(ranges: readonly SlotRange[]): void {
    if (this.#closing.signal.aborted) return;
    const owners = Array.from<string | undefined>({ length: SLOTS });
    const servers = new Map<string, Server>();
    for (const { from, to, master } of ranges) {
      servers.set(nameOf(master), master);
      owners.fill(nameOf(master), from, to + 1);
    }
    for (const [name, master] of this.#masters) {
      if (servers.has(name)) continue;
      // It may be a master again: then as another incarnation.
      master.close();
      this.#masters.delete(name);
    }
    for (const [name, server] of servers) {
      if (!this.#masters.has(name)) this.#masters.set(name, this.#connectTo(server));
    }
    this.#owners = owners;
  }

  #connectTo(server: Server): Connection {
    const onLost = (): void => this.#waking.abort();
    const master = new Connection({ ...this.#settings, locate: async () => server, mastersOnly: true, onLost });
    void master.opened.then(() => this.#isSettled && this.#resolveOpened());
    return master;
  }

  /** Asks a master that is connected, any of them; when none answers, the nodes of the URL. */
  async #askForSlots(signal: AbortSignal): Promise<readonly SlotRange[]> {
    const faults: string[] = [];
    for (const master of shuffled([...this.#masters.values()])) {
      if (!master.isOpen || !master.server) continue;
      try {
        return await ask(master.server, master, signal);
      } catch (error) {
        faults.push(`${nameOf(master.server)}: ${errorMessage(error)}`);
      }
    }
    for (const seed of shuffled(this.#seeds)) {
      try {
        const session = await openSession(seed, this.#settings, signal);
        return await ask(seed, session, signal).finally(() => session.close());
      } catch (error) {
        faults.push(`${nameOf(seed)}: ${errorMessage(error)}`);
      }
    }
    throw new Error(`no node of the cluster answers: ${faults.join("; ")}`);
  }
}

async function ask(server: Server, to: Pick<Session, "send">, signal: AbortSignal): Promise<readonly SlotRange[]> {
  return parseSlots(await answerWithin(to.send(["CLUSTER", "SLOTS"]), ASK_MS, signal), server);
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
