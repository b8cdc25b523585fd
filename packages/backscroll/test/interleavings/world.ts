import type { CoherentCache } from "../../src/cache/coherent-cache.ts";
import type { LoadSnapshot, RecentMessages } from "../../src/cache/history-cache.ts";
import type { CacheMetrics } from "../../src/cache/metrics.ts";
import { acting, actorName } from "./actor.ts";
import type { CachePair } from "./cache-pairs.ts";
import { chosenLink, type LinkPlan } from "./chosen-link.ts";
import { ConversationKeys, type KeyName } from "./conversation-keys.ts";
import type { Schedule } from "./explorer.ts";
import { type Change, isDirty, Judge, type Witness } from "./judge.ts";
import { type Lab, MESSAGE_LIMIT } from "./lab.ts";
import { Truth } from "./truth.ts";

export interface WorldOptions extends LinkPlan {
  readonly dirtyMax?: number;
  /** a query's result travels: it is read in one step and arrives in another */
  readonly splitLoads?: boolean;
  /** what servers tell each other arrives after everything else */
  readonly hearLast?: boolean;
}

export type ServerName = "A" | "B";

interface Server extends Witness {
  readonly name: ServerName;
  readonly cache: CoherentCache;
  readonly link: ReturnType<typeof chosenLink>;
}

/** Nothing is due while an interleaving runs. */
const NEVER_MS = 1_000_000_000;

const ignore = (): void => undefined;
const metrics: CacheMetrics = {
  read: ignore,
  fill: ignore,
  append: ignore,
  invalidation: ignore,
  repair: ignore,
  check: ignore,
  audit: ignore,
  announcement: ignore,
  called: ignore,
};
const log = { debug: ignore, warn: ignore };
let worlds = 0;

/** One conversation, two servers, one Redis and a PostgreSQL: everything of one interleaving. */
export class World {
  readonly #lab: Lab;
  readonly #schedule: Schedule;
  readonly #options: WorldOptions;
  readonly #truth = new Truth();
  readonly #judge: Judge;
  readonly #pair: CachePair;
  readonly #at = { userId: 1, id: String((worlds += 1)) };
  readonly #keys: ConversationKeys;
  readonly #faults = { left: 0 };
  readonly #servers: Readonly<Record<ServerName, Server>>;
  readonly #announced: (readonly Change[])[] = [];
  readonly #unheard: (() => void)[] = [];
  #isVersionLost = false;
  #acting = 0;

  constructor(lab: Lab, schedule: Schedule, options: WorldOptions) {
    this.#lab = lab;
    this.#schedule = schedule;
    this.#options = options;
    this.#judge = new Judge(this.#truth, schedule);
    this.#pair = lab.pairs.take();
    this.#keys = new ConversationKeys(lab.link, `${this.#pair.prefix}conversation:{1:${this.#at.id}}`);
    this.#servers = { A: this.#serve("A"), B: this.#serve("B") };
  }

  /** From now on calls may fail as planned. */
  begin(): void {
    this.#faults.left = this.#options.faultsMax ?? 1;
  }

  /** Lets somebody act beside the others. */
  act(name: string, act: () => Promise<void>): void {
    this.#acting += 1;
    const run = async (): Promise<void> => {
      try {
        await act();
        this.#acting -= 1;
      } catch (error) {
        this.#schedule.violate(`${name} failed: ${String(error)}`);
      }
    };
    void acting.run({ name, schedule: this.#schedule, couldNotTell: false }, run);
  }

  /** Waits until a step was taken: what comes before it is another scenario's subject. */
  async after(step: string): Promise<void> {
    await this.#schedule.taken(step);
  }

  // What people do.

  async append(name: ServerName, count = 1): Promise<void> {
    const appended = await this.#commit("append", () => this.#truth.append(count));
    if (!appended) return;
    await this.#tell(name, (cache) => cache.appended(this.#at, appended));
  }

  async change(name: ServerName, what: "edit" | "trash" | "restore" | "erase" | "create"): Promise<void> {
    await this.#commit(what, () => this.#truth[what]());
    // Also when there was nothing to do: an earlier try may have done it.
    await this.#tell(name, (cache) => cache.changed(this.#at));
  }

  /** The server dies between COMMIT and telling the cache. */
  async dieAfterAppend(): Promise<void> {
    await this.#commit("append, and dies", () => this.#truth.append(1));
  }

  /** An append that was stored before is found, and answered. */
  async replay(name: ServerName): Promise<void> {
    await this.#commit("finds it stored", () => undefined);
    await this.#tell(name, (cache) => cache.changed(this.#at));
  }

  /** The connection is lost while it commits: nobody knows whether it did. */
  async appendUncertain(name: ServerName): Promise<void> {
    await this.#commit("append, unheard", () => this.#truth.append(1));
    await this.#tell(name, async (cache) => {
      cache.uncertain(this.#at);
      const actor = acting.getStore();
      if (actor) actor.couldNotTell = true;
    });
  }

  async read(name: ServerName, limit = MESSAGE_LIMIT): Promise<void> {
    const server = this.#servers[name];
    let from = 0;
    await this.#schedule.step(`${actorName()}: begins`, () => {
      from = this.#judge.promised(server);
    });
    this.#judge.look(`${actorName()} on ${name}`, await this.#readRecent(server, limit), { limit, from });
  }

  // What happens to Redis and between the servers.

  /** Keys expire or are evicted; all of them when none is named. */
  async lose(key?: KeyName): Promise<void> {
    this.#isVersionLost ||= key === "version";
    const label = key ? `Redis: ${key} gone` : "Redis: FLUSHALL";
    await this.#schedule.step(label, () => this.#keys.lose(key && [key]));
  }

  async save(): Promise<void> {
    await this.#schedule.step("Redis: saves", () => this.#keys.save());
  }

  /** Redis is another server, with what was saved; A and B are connected to it. */
  async restart(): Promise<void> {
    await this.#schedule.step("Redis: restarts with what it saved", async () => {
      await this.#keys.restore();
      for (const { link } of this.#everyServer) link.reconnected();
    });
  }

  async hear(name: ServerName, listening: boolean): Promise<void> {
    const server = this.#servers[name];
    await this.#schedule.step(`${name}: ${listening ? "listens again" : "hears nothing any more"}`, () => {
      server.listening = listening;
      server.cache.listening(listening);
      // Nothing it holds is trusted any more: as good as having heard everything.
      if (listening) for (const { heardBy } of this.#announced.flat()) heardBy.add(server);
    });
  }

  // How it ends.

  /** Lets everything end; then every server answers what PostgreSQL says, and so does what is cached. */
  async end(): Promise<void> {
    this.#faults.left = 0;
    await this.#schedule.runOut();
    for (const hear of this.#unheard) hear();
    await this.#schedule.runOut();
    if (this.#schedule.violation) return;
    if (this.#acting > 0) return this.#schedule.violate("somebody waits for ever");
    // What Redis brought back may be wrong until somebody asks for it.
    if (!this.#keys.isSaved) await this.#lookAtCache();
    const from = this.#truth.latest;
    // B first: what A's check would mend, B must not trust.
    for (const server of this.#everyServer.toReversed()) {
      if (isDirty(server)) this.#schedule.violate(`${server.name} is never repaired`);
      for (const limit of [MESSAGE_LIMIT, MESSAGE_LIMIT + 1]) {
        const who = `the last reader on ${server.name}`;
        this.act("last reader", async () =>
          this.#judge.look(who, await this.#readRecent(server, limit), { limit, from }),
        );
        await this.#schedule.runOut();
      }
    }
    await this.#lookAtCache();
  }

  /** Takes back what is left in Redis. */
  async remove(): Promise<void> {
    await this.#keys.lose();
    this.#lab.pairs.giveBack(this.#pair);
  }

  async #lookAtCache(): Promise<void> {
    const isVersionLost = this.#isVersionLost;
    this.#judge.lookAtCache(await this.#keys.read(), { messageLimit: MESSAGE_LIMIT, isVersionLost });
  }

  // How it is put together.

  get #everyServer(): readonly Server[] {
    return Object.values(this.#servers);
  }

  #serve(name: ServerName): Server {
    const { code, link, scripts } = this.#lab;
    const [schedule, plan, faults] = [this.#schedule, this.#options, this.#faults];
    const chosen = chosenLink(name, { link, schedule, plan, scripts, faults });
    const maker = this.#pair[name];
    maker.use(chosen);
    const cache = new code.CoherentCache({
      cache: maker.cache,
      findVersion: () => schedule.step(`${actorName()}: SELECT version`, () => this.#truth.findVersion(), String),
      announce: () => this.#announce(this.#servers[name]),
      settings: {
        deadlineMs: NEVER_MS,
        auditIntervalMs: NEVER_MS,
        checkedMax: 2,
        ...(plan.dirtyMax !== undefined && { dirtyMax: plan.dirtyMax }),
      },
      metrics,
      log,
    });
    cache.listening(true);
    return { name, cache, link: chosen, listening: true };
  }

  #commit<Result>(what: string, commit: () => Result): Promise<Result> {
    return this.#schedule.step(`${actorName()}: COMMIT ${what}`, commit);
  }

  /** Right after a COMMIT: what a server does until it answers. */
  async #tell(name: ServerName, tell: (cache: CoherentCache) => Promise<void>): Promise<void> {
    const server = this.#servers[name];
    const actor = acting.getStore();
    if (actor) actor.couldNotTell = false;
    const change = this.#judge.changed(server);
    await tell(server.cache);
    change.isAnnounced = actor?.couldNotTell ?? false;
    change.isAnswered = true;
    this.#schedule.trace.push(`${actorName()} is answered`);
  }

  #readRecent({ cache }: Server, limit: number): Promise<RecentMessages | null> {
    const load: LoadSnapshot = async (length) => {
      const label = `${actorName()}: SELECT messages`;
      const loaded = await this.#schedule.step(
        label,
        () => this.#truth.load(length),
        (snapshot) => (snapshot === null ? "none" : `version ${snapshot.version}`),
      );
      if (this.#options.splitLoads) await this.#schedule.step(`${label} arrives`, () => undefined);
      return loaded;
    };
    return cache.readRecent(this.#at, limit, load);
  }

  async #announce(from: Server): Promise<void> {
    const actor = acting.getStore();
    if (actor) actor.couldNotTell = true;
    const changes = this.#judge.changesOf(from);
    await this.#schedule.step(`${actorName()}: NOTIFY`, () => {
      this.#announced.push(changes);
      for (const server of this.#everyServer) if (server !== from && server.listening) this.#deliver(server, changes);
    });
  }

  #deliver(server: Server, changes: readonly Change[]): void {
    const hear = (): void => {
      if (!server.listening) return;
      for (const { heardBy } of changes) heardBy.add(server);
      this.act(`${server.name}'s repair`, async () => server.cache.announced(this.#at));
    };
    if (this.#options.hearLast) this.#unheard.push(hear);
    else this.#schedule.possibly(`${server.name}: is notified`, hear);
  }
}
