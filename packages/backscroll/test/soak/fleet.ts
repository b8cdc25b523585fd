import type { Health } from "./health.ts";
import { type Program, SERVERS } from "./program.ts";
import { type Counters, type Server, startServer, type Surroundings } from "./server.ts";

/** The servers, each at its place; who dies is replaced. */
export class Fleet {
  readonly #surroundings: Surroundings;
  readonly #distances: Program["distances"];
  readonly #health: Health;
  readonly #servers: Server[] = [];
  readonly #dead: Promise<void>[] = [];
  readonly #lastCounters: Counters[] = [];
  #lives = 0;

  constructor(surroundings: Surroundings, distances: Program["distances"], health: Health) {
    this.#surroundings = surroundings;
    this.#distances = distances;
    this.#health = health;
  }

  async start(): Promise<void> {
    this.#servers.push(...(await Promise.all(Array.from({ length: SERVERS }, (_, place) => this.#startServer(place)))));
  }

  /** @returns who is at this place now */
  at(place: number): Server {
    const server = this.#servers[place % SERVERS];
    if (!server) throw new Error("the servers have not been started");
    return server;
  }

  get all(): readonly Server[] {
    return [...this.#servers];
  }

  /** The server at this place dies. Until the next one is up, nobody answers there. */
  async replace(place: number): Promise<void> {
    const dying = this.at(place);
    this.#lastCounters.push(await dying.counters());
    this.#health.died(dying);
    this.#dead.push(dying.crash());
    this.#servers[place % SERVERS] = await this.#startServer(place);
  }

  heal(): void {
    for (const server of this.#servers) {
      server.redis.heal();
      server.postgres.heal();
    }
  }

  /** @returns what all of them counted, the dead ones too */
  async totals(): Promise<Counters> {
    const living = await Promise.all(this.#servers.map((server) => server.counters()));
    const totals = new Map<string, number>();
    for (const counters of [...this.#lastCounters, ...living]) {
      for (const [name, value] of counters) {
        if (/_total\b/.test(name)) totals.set(name, (totals.get(name) ?? 0) + value);
      }
    }
    return totals;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers.map((server) => server.close()), ...this.#dead]);
  }

  #startServer(place: number): Promise<Server> {
    this.#lives += 1;
    const distances = this.#distances[place % SERVERS];
    if (!distances) throw new Error("every server is somewhere");
    return startServer(`server${this.#lives}`, this.#surroundings, distances);
  }
}
