import { writeSync } from "node:fs";
import { createServer } from "node:net";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { Config } from "../../config.ts";
import { errorMessage } from "../../domain/errors.ts";
import { MergedMetrics } from "../../metrics/merged.ts";
import { Sampler } from "../../metrics/sampler.ts";
import type { Figures, MetricsSource } from "../../metrics/source.ts";
import { registerWorkers } from "../../metrics/workers.ts";
import { migrate } from "../../postgres/migrate.ts";
import { findRoute, UNPREPARED_POOLER } from "../../postgres/pooler.ts";
import { announceReady } from "../banner.ts";
import { poolShare, warnIfConnectionsDoNotFit } from "../connections.ts";
import { listen, TELLING_MS } from "../serving.ts";
import { stopSignal, type StopSignal } from "../stop-signal.ts";
import { CommandError, EXIT, type Terminal } from "../terminal.ts";
import { Crew, type Member, StartError } from "./crew.ts";

/** A worker that does not say within so long what it counts is taken at what it said last. */
const FIGURES_MS = 1_000;
/** What a worker gets beyond `DRAIN_TIMEOUT_MS`, for what it gave up to be saved and told. */
const LEAVING_MS = 10_000;

export interface PrimaryOptions {
  readonly version: string;
  /** by `performance.now` */
  readonly startedAt: number;
}

/** Serves nothing itself: prepares the database, looks after the workers, and knows what all of them counted. */
export async function runPrimary(
  terminal: Terminal,
  config: Config,
  { version, startedAt }: PrimaryOptions,
): Promise<void> {
  let crew: Crew | null = null;
  const stop = stopSignal(terminal, () => crew?.kill());
  if (config.redisUrl === undefined) {
    terminal.warn(
      "without REDIS_URL each worker is alone with what is true only now: limits hold per worker, and other tabs hear of " +
        "changes only from their own",
    );
  }
  await prepareDatabase(config);
  await warnIfConnectionsDoNotFit(terminal, config);
  const metrics = watchAll(() => crew?.readyCount ?? 0);
  const ours = (crew = new Crew({
    size: config.workers,
    orders: { port: await findPort(config), databasePoolMax: poolShare(config) },
    leaveMs: config.drainTimeoutMs + TELLING_MS + LEAVING_MS,
    answer: (question) =>
      question.type === "exposition" ? metrics.merged.exposition() : metrics.sampler.recall(question.window),
    onStarted: (member) => metrics.add(member),
    onTold: (member, notice) => notice.type === "last_figures" && metrics.told(member, notice.figures),
    onEnded: (member) => metrics.remove(member),
    onRenewed: (nth) => terminal.say(`  ${nth} of ${config.workers} is new; the old one finishes what runs`),
    onTrouble: (what) => terminal.warn(what),
  }));
  let stopRestarting: (() => void) | null = null;
  try {
    const started = ours.start();
    stopRestarting = restartOnHangUp(terminal, config, { crew: ours, started, stop });
    const introduction = await Promise.race([started, stop.requested]);
    if (introduction) {
      metrics.sampler.start((error) => terminal.warn(`the metrics could not be sampled: ${errorMessage(error)}`));
      announceReady(terminal, config, introduction, { version, readyMs: Math.round(performance.now() - startedAt) });
      await stop.requested;
    }
    terminal.say("Stopping: finishing what runs …");
    await ours.stop();
  } catch (error) {
    await ours.stop();
    throw error instanceof StartError
      ? new CommandError(error.failure.exitCode, error.message, { cause: error })
      : error;
  } finally {
    stopRestarting?.();
    metrics.sampler.stop();
    stop.dispose();
  }
  terminal.say("Stopped. Everything is saved.");
}

/** Once for all workers. */
async function prepareDatabase({ databaseUrl = "", databaseDirectUrl, pgPrepare }: Config): Promise<void> {
  if (pgPrepare && (await findRoute(databaseUrl)) === "unprepared") {
    throw new CommandError(EXIT.usage, UNPREPARED_POOLER);
  }
  await migrate(databaseDirectUrl ?? databaseUrl);
}

/** @returns the port that all workers listen on; says at once when it is taken */
async function findPort({ host, port }: Config): Promise<number> {
  const server = createServer();
  const found = await listen(server, { host, port });
  await new Promise((closed) => server.close(closed));
  return found;
}

interface AllMetrics {
  readonly merged: MergedMetrics;
  readonly sampler: Sampler;
  add(member: Member): void;
  told(member: Member, figures: readonly Figures[]): void;
  remove(member: Member): void;
}

function watchAll(readyCount: () => number): AllMetrics {
  const registry = new Registry();
  registerWorkers(registry, readyCount);
  collectDefaultMetrics({ register: registry });
  const merged = new MergedMetrics(registry);
  const sources = new WeakMap<Member, MetricsSource>();
  const sourceOfMember = (member: Member): MetricsSource => {
    const known = sources.get(member);
    if (known) return known;
    const source: MetricsSource = {
      read: async (names) => (await member.line.ask({ type: "figures", names }, FIGURES_MS)) as readonly Figures[],
    };
    sources.set(member, source);
    return source;
  };
  return {
    merged,
    sampler: new Sampler(merged),
    add: (member) => merged.add(sourceOfMember(member)),
    told: (member, figures) => merged.told(sourceOfMember(member), figures),
    remove: (member) => merged.remove(sourceOfMember(member)),
  };
}

/** @returns ends it */
function restartOnHangUp(
  terminal: Terminal,
  config: Config,
  { crew, started, stop }: { crew: Crew; started: Promise<unknown>; stop: StopSignal },
): () => void {
  let isRestarting = false;
  let isAskedAgain = false;
  const restart = async (): Promise<void> => {
    await started;
    const startedAt = performance.now();
    terminal.say(`Restarting ${config.workers} workers, one after another …`);
    try {
      // A newer version may have come with migrations of its own.
      await prepareDatabase(config);
      await crew.restart();
      terminal.say(`Restarted ${config.workers} workers in ${Math.round(performance.now() - startedAt)} ms.`);
    } catch (error) {
      terminal.warn(`the restart was given up, and the workers that serve go on: ${errorMessage(error)}`);
    }
  };
  const onHangUp = (): void => {
    if (isTerminalGone()) return stop.request();
    isAskedAgain = isRestarting;
    if (isRestarting) return;
    isRestarting = true;
    const again = (): void => {
      isRestarting = false;
      if (isAskedAgain) onHangUp();
    };
    restart().then(again, again); // what fails the start is told by whoever waits for it
  };
  process.on("SIGHUP", onHangUp);
  return () => void process.off("SIGHUP", onHangUp);
}

/** The same signal says that a terminal was closed. */
function isTerminalGone(): boolean {
  if (!process.stderr.isTTY) return false;
  try {
    writeSync(2, "\r");
    return false;
  } catch {
    process.stderr.on("error", () => undefined); // nobody reads what is still said
    return true;
  }
}
