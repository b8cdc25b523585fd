import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline/promises";
import { readConfig } from "../config.ts";
import { errorMessage } from "../domain/errors.ts";
import { isLoopback } from "../domain/loopback.ts";
import { BenchError } from "./bench/bench-error.ts";
import { type BenchConversation, BenchConversations, refusal } from "./bench/conversations.ts";
import { allDone, runLoad } from "./bench/load.ts";
import type { BenchFlags } from "./bench/options.ts";
import { createProfile, hitRateOf, OPERATIONS, type Profile } from "./bench/profiles.ts";
import { type BenchReport, toJson, toText } from "./bench/report.ts";
import { Samples } from "./bench/samples.ts";
import { figuresBetween, readMetrics } from "./bench/service-metrics.ts";
import { openTarget, type Target } from "./bench/target.ts";
import { abortWhenAsked } from "./stop-signal.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

/**
 * Loads a running deployment over HTTP, says what it measured, and removes what it made; Ctrl+C does that, too. No
 * responder is ever asked: messages are saved, not turned to a model.
 */
export async function benchCommand(terminal: Terminal, flags: BenchFlags): Promise<void> {
  const target = openTarget(urlOf(flags), flags, flags.senders);
  const interrupted = abortWhenAsked(terminal, "Stopping: removing what was made …");
  const conversations = new BenchConversations(target, flags.users);
  try {
    if (!isLoopback(target.url.hostname) && flags.yes !== true) await confirm(target, flags);
    await greet(target);
    const bench = { target, conversations, flags, signal: interrupted.signal };
    const { report, isRemoved } = await measureAndRemove(terminal, bench);
    if (interrupted.signal.aborted) {
      throw new CommandError(EXIT.interrupted, isRemoved ? "interrupted; what was made is removed" : "interrupted");
    }
    terminal.data(terminal.json ? toJson(report) : toText(report));
    if (!isRemoved) throw new CommandError(EXIT.failed, "something that was made is still there");
    const missed = report.targets.filter(({ met }) => !met);
    if (missed.length > 0) throw new CommandError(EXIT.failed, `missed: ${missed.map(({ name }) => name).join(", ")}`);
  } finally {
    interrupted.dispose();
    target.close();
  }
}

function urlOf({ url: given }: BenchFlags): URL {
  const { host, port } = readConfig(process.env).config;
  const reached = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[host] ?? (host.includes(":") ? `[${host}]` : host);
  const url = URL.parse(given ?? `http://${reached}:${port}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "") {
    throw new CommandError(EXIT.usage, "--url must be like https://history.example.com, without a user or password");
  }
  return url;
}

/** @throws {CommandError} when nobody is there, or does not let us in */
async function greet(target: Target): Promise<void> {
  const answer = await target.ask({ method: "GET", path: "/api/me" }).catch((error: unknown) => {
    throw new CommandError(EXIT.unreachable, `${target.url.origin} does not answer: ${errorMessage(error)}`, {
      cause: error,
    });
  });
  if (answer.status !== 200) asFailure(refusal(answer, "GET /api/me"));
}

function asFailure(error: unknown): never {
  throw error instanceof BenchError ? new CommandError(EXIT.failed, error.message, { cause: error }) : error;
}

async function confirm({ url }: Target, { senders, seconds }: BenchFlags): Promise<void> {
  const what = `${url.host} is not this machine. It would be loaded by ${senders} senders for ${seconds} s`;
  if (!process.stdin.isTTY) throw new CommandError(EXIT.usage, `${what}, and nobody is here to be asked: --yes`);
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await questions.question(`${what}. Go on? [y/N] `);
  questions.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError(EXIT.failed, "nothing was done");
}

interface Bench {
  readonly target: Target;
  readonly conversations: BenchConversations;
  readonly flags: BenchFlags;
  readonly signal: AbortSignal;
}

async function measureAndRemove(
  terminal: Terminal,
  bench: Bench,
): Promise<{ readonly report: BenchReport; readonly isRemoved: boolean }> {
  let report: BenchReport;
  try {
    report = await measure(terminal, bench);
  } catch (error) {
    await removeAll(terminal, bench);
    return asFailure(error);
  }
  return { report, isRemoved: await removeAll(terminal, bench) };
}

async function measure(terminal: Terminal, bench: Bench): Promise<BenchReport> {
  const { target, conversations, flags, signal } = bench;
  const profile = createProfile(flags);
  const warm = await warmUp(terminal, bench);
  const samples = new Samples();
  const before = await readMetrics(target, flags.metricsToken);
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  const progress = createProgress(terminal, "Measuring");
  let seconds = 0;
  for (const [index, phase] of profile.phases.entries()) {
    const share = 1 / profile.phases.length;
    const options = {
      senders: flags.senders,
      seconds: flags.seconds * share,
      requests: Math.ceil(flags.requests * share),
      rate: flags.rate ?? null,
      signal,
      onProgress: (elapsedMs: number) =>
        progress.update(Math.round(index * share * flags.seconds + elapsedMs / 1_000), flags.seconds, "seconds"),
    };
    seconds += await runLoad(target, samples, options, (measure) => phase({ warm, conversations }, measure));
  }
  progress.end();
  lag.disable();
  const after = await readMetrics(target, flags.metricsToken);
  return {
    ...summarise(profile, samples, seconds),
    url: target.url.origin,
    senders: flags.senders,
    rate: flags.rate ?? null,
    conversations: flags.conversations,
    service: before && after && figuresBetween(before, after),
    // What the resolution itself takes is no lag.
    clientLagMs: Math.max(0, lag.percentile(99) / 1_000_000 - 5),
  };
}

function summarise(
  { title, description, judge, phases }: Profile,
  samples: Samples,
  seconds: number,
): Pick<BenchReport, "title" | "description" | "seconds" | "operations" | "failures" | "hitRate" | "targets"> {
  const { failures } = samples;
  // Each kind of request had its phase to itself.
  const summaryOf = (name: string): BenchReport["operations"][number] | null =>
    samples.summaryOf(name, seconds / phases.length);
  return {
    title,
    description,
    seconds,
    failures,
    operations: OPERATIONS.flatMap((name) => summaryOf(name) ?? []),
    hitRate: hitRateOf((name) => samples.countOf(name)),
    targets: judge({ summaryOf, failures: failures.reduce((sum, { count }) => sum + count, 0) }),
  };
}

/** Makes the conversations that are talked in, and reads each once, so that connections are open and caches full. */
async function warmUp(
  terminal: Terminal,
  { target, conversations, flags, signal }: Bench,
): Promise<readonly BenchConversation[]> {
  const warm: BenchConversation[] = [];
  const progress = createProgress(terminal, "Preparing");
  let started = 0;
  const work = async (): Promise<void> => {
    while (started < flags.conversations && !signal.aborted) {
      started += 1;
      const made = await conversations.open();
      await target.ask({ method: "GET", path: `/api/conversations/${made.id}/messages?limit=20`, user: made.user });
      warm.push(made);
      progress.update(warm.length, flags.conversations, "conversations");
    }
  };
  try {
    await allDone(Array.from({ length: flags.senders }, work));
  } finally {
    progress.end();
  }
  return warm;
}

/** @returns whether nothing is left of what was made */
async function removeAll(terminal: Terminal, { conversations, flags }: Bench): Promise<boolean> {
  const { senders, users } = flags;
  const progress = createProgress(terminal, "Removing what was made");
  const faults = await conversations.remove(senders, (done, total) =>
    progress.update(done, total, users > 1 ? "users" : "conversations"),
  );
  progress.end();
  if (faults.length > 0) {
    terminal.warn(`not everything was removed: ${faults.join("; ")}. The ids begin with ${conversations.prefix}`);
  }
  return faults.length === 0;
}
