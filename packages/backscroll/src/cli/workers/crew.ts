import cluster, { type Worker } from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import type { Introduction } from "../banner.ts";
import type { Failure } from "../failure.ts";
import { type Hearing, type Line, openLine } from "./line.ts";
import {
  type Orders,
  ORDERS_VARIABLE,
  type PrimaryNotice,
  type PrimaryQuestion,
  type WorkerNotice,
  type WorkerQuestion,
} from "./messages.ts";

/** A worker that has not said within so long that it is ready does not come. */
const START_MS = 60_000;
/** One that ends sooner than this did not get far: the next one waits longer. */
const SHORT_LIFE_MS = 10_000;
const LAST_WORDS_MS = 1_000;
const BACKOFF_MS = { first: 250, max: 30_000 };

export interface CrewOptions {
  readonly size: number;
  readonly orders: Orders;
  /** one that is told to leave, and is still there then, is killed */
  readonly leaveMs: number;
  readonly answer: Hearing<WorkerQuestion, WorkerNotice>["answer"];
  readonly onStarted: (member: Member) => void;
  readonly onTold: (member: Member, notice: WorkerNotice) => void;
  readonly onEnded: (member: Member) => void;
  /** told of each place that has a new worker, in a restart: its number */
  readonly onRenewed: (nth: number) => void;
  /** for people */
  readonly onTrouble: (what: string) => void;
}

/** One worker's process. */
export interface Member {
  readonly line: Line<PrimaryQuestion, PrimaryNotice>;
  /** rejects with a `StartError` */
  readonly ready: Promise<Introduction>;
  readonly ended: Promise<void>;
  readonly worker: Worker;
  state: "starting" | "ready" | "leaving";
}

export class StartError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A worker's place. */
interface Place {
  member: Member | null;
  /** short lives in a row */
  failures: number;
  retry: NodeJS.Timeout | undefined;
  isRestarting: boolean;
}

/** Keeps as many workers as were asked for, whatever becomes of them. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #places: readonly Place[];
  readonly #all = new Set<Member>();
  #hasStarted = false;
  #isStopping = false;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#places = Array.from({ length: options.size }, () => ({
      member: null,
      failures: 0,
      retry: undefined,
      isRestarting: false,
    }));
    cluster.setupPrimary({ serialization: "advanced" });
  }

  /** how many serve */
  get readyCount(): number {
    return [...this.#all].filter(({ state }) => state === "ready").length;
  }

  /**
   * Resolves when all are ready; as long as one is, those that fail are tried again.
   *
   * @throws {StartError} the first one's, when none becomes ready
   */
  async start(): Promise<Introduction> {
    const members = this.#places.map((place) => (place.member = this.#launch(place)));
    const first = await Promise.any(members.map(({ ready }) => ready)).catch((error: AggregateError) => {
      throw error.errors[0];
    });
    this.#hasStarted = true;
    for (const place of this.#places) if (place.member === null) this.#replace(place);
    for (const place of this.#places) await this.#filled(place);
    return first;
  }

  async #filled(place: Place): Promise<void> {
    while (!this.#isStopping) {
      const isReady = await place.member?.ready.then(
        () => true,
        () => false,
      );
      if (isReady === true) return;
      await delay(BACKOFF_MS.first);
    }
  }

  /**
   * Puts a new worker in the place of each, one after another: the old one leaves when the new one serves.
   *
   * @throws {StartError} when a new one does not become ready: those that are there stay
   */
  async restart(): Promise<void> {
    for (const [index, place] of this.#places.entries()) {
      if (this.#isStopping) return;
      place.isRestarting = true;
      clearTimeout(place.retry);
      try {
        await this.#restartOne(place, index + 1);
      } catch (error) {
        if (!this.#isStopping) throw error;
      } finally {
        place.isRestarting = false;
        if (place.member === null) this.#replace(place);
      }
    }
  }

  async #restartOne(place: Place, nth: number): Promise<void> {
    const next = this.#launch(place);
    await next.ready;
    const before = place.member;
    place.member = next;
    place.failures = 0;
    this.#options.onRenewed(nth);
    if (before) await this.#dismiss(before);
  }

  /** Lets all of them finish what they do. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { retry } of this.#places) clearTimeout(retry);
    await Promise.all([...this.#all].map((member) => this.#dismiss(member)));
  }

  kill(): void {
    this.#isStopping = true;
    for (const { worker } of this.#all) worker.process.kill("SIGKILL");
  }

  async #dismiss(member: Member): Promise<void> {
    // One that is starting hears nothing yet, and has nothing to finish.
    if (member.state === "starting") member.worker.process.kill("SIGTERM");
    else member.line.tell({ type: "leave" });
    member.state = "leaving";
    const timer = setTimeout(() => member.worker.process.kill("SIGKILL"), this.#options.leaveMs);
    await member.ended;
    clearTimeout(timer);
  }

  #launch(place: Place): Member {
    const { orders, answer, onStarted, onTold } = this.#options;
    const worker = cluster.fork({ [ORDERS_VARIABLE]: JSON.stringify(orders) });
    const ready = Promise.withResolvers<Introduction>();
    const ended = Promise.withResolvers<void>();
    ready.promise.catch(() => undefined); // whoever waits for it is told
    const line = openLine<WorkerQuestion, WorkerNotice, PrimaryQuestion, PrimaryNotice>(
      {
        send: (message) => void (worker.isConnected() && worker.send(message as object)),
        onMessage: (listener) => void worker.on("message", listener),
      },
      {
        answer,
        hear: (notice) => {
          if (notice.type === "failed") ready.reject(new StartError(notice.failure));
          if (notice.type === "ready" && member.state === "starting") {
            member.state = "ready";
            ready.resolve(notice.introduction);
          }
          onTold(member, notice);
        },
      },
    );
    const member: Member = { line, ready: ready.promise, ended: ended.promise, worker, state: "starting" };
    const startedAt = performance.now();
    const timer = setTimeout(() => {
      ready.reject(new StartError({ exitCode: 1, message: `a worker was not ready within ${START_MS / 1_000} s` }));
      worker.process.kill("SIGKILL");
    }, START_MS);
    void ready.promise.finally(() => clearTimeout(timer)).catch(() => undefined);
    // A message to one that has just ended. Not by `once` of node:events below: it would reject for it.
    worker.on("error", () => undefined);
    const left = new Promise<void>((done) => worker.once("disconnect", done));
    const watch = async (code: number | null, signal: string | null): Promise<void> => {
      // What it said last may come after its end. Not for ever: somebody whom it started may hold the line open.
      await Promise.race([left, delay(LAST_WORDS_MS)]);
      const how = signal ?? `exit code ${code}`;
      ready.reject(new StartError({ exitCode: code || 1, message: `a worker did not start: ${how}` }));
      this.#ended(place, member, { how, lifeMs: performance.now() - startedAt });
      ended.resolve();
    };
    worker.once("exit", (code: number | null, signal: string | null) => void watch(code, signal));
    this.#all.add(member);
    onStarted(member);
    return member;
  }

  #ended(place: Place, member: Member, { how, lifeMs }: { how: string; lifeMs: number }): void {
    this.#all.delete(member);
    this.#options.onEnded(member);
    if (place.member !== member) return;
    place.member = null;
    if (this.#isStopping || member.state === "leaving") return;
    place.failures = lifeMs < SHORT_LIFE_MS ? place.failures + 1 : 1;
    if (!this.#hasStarted || place.isRestarting) return;
    if (member.state === "ready") this.#options.onTrouble(`a worker has ended (${how}): another one takes its place`);
    this.#replace(place);
  }

  #replace(place: Place): void {
    if (this.#isStopping) return;
    const waitMs = place.failures < 2 ? 0 : Math.min(BACKOFF_MS.max, BACKOFF_MS.first * 2 ** (place.failures - 2));
    clearTimeout(place.retry);
    place.retry = setTimeout(() => {
      const member = this.#launch(place);
      place.member = member;
      member.ready.catch((error: Error) => {
        if (!this.#isStopping)
          this.#options.onTrouble(`a worker did not start, and another is tried: ${error.message}`);
      });
    }, waitMs);
  }
}
