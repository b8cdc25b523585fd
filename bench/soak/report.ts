import { commitText, machineText, today } from "../conditions.ts";
import { msText, none, table, type Target, targetTable } from "../report.ts";
import type { Ended, Taken, Verified } from "./load.ts";
import { type Slope, slopeOf, sparkline } from "./slope.ts";

/** What was seen at one moment; rates and quantiles are those since the moment before. */
export interface Sample extends Taken {
  /** since the rate was held */
  readonly seconds: number;
  /** of the service, all of its processes */
  readonly rssMb: number;
  /** of V8, used */
  readonly heapMb: number;
  /** of V8, taken from the system */
  readonly heapTotalMb: number;
  /** buffers outside of V8's heap */
  readonly externalMb: number;
  readonly cpuSeconds: number;
  /** 0 to 1 */
  readonly hitRate: number;
  /** p99 of how late a timer fired */
  readonly lagMs: number;
  /** of the service's pools */
  readonly connections: number;
  /** statements that wait for one */
  readonly waiting: number;
  readonly repliesRunning: number;
  readonly redisMb: number;
  readonly databaseConnections: number;
  readonly databaseMb: number;
}

/** What is in memory after a collection, of all processes. */
export interface KeptSample {
  /** since the rate was held */
  readonly seconds: number;
  readonly rssMb: number;
  readonly heapMb: number;
}

export interface Soak {
  readonly minutes: number;
  readonly workers: number;
  /** of each process, at most */
  readonly heapMb: number;
  /** half of V8's young generation, of each process, at most */
  readonly youngMb: number;
  readonly cacheSeconds: number;
  readonly people: number;
  readonly conversations: number;
  readonly database: string;
  /** requests a second that it takes for long; 0: not measured */
  readonly capacity: number;
  readonly ramp: readonly { readonly concurrency: number; readonly perSecond: number }[];
  readonly perSecond: number;
  readonly samples: readonly Sample[];
  readonly kept: readonly KeptSample[];
  readonly ended: Ended;
  readonly audits: number;
  readonly mismatches: number;
  readonly hits: number;
  readonly reads: number;
  /** null: it was stopped before */
  readonly verified: Verified | null;
}

const WARM_UP_SECONDS_MAX = 600;
const ROWS = 12;
/** Of the mean, an hour: slower growth needs days to be seen on a graph, and weeks to matter. */
const GROWTH_MAX = 0.05;

/** The run as a section of `results.md`, and whether it was what it should be. */
export function soakReport(soak: Soak): { markdown: string; targets: readonly Target[] } {
  const targets = targetsOf(soak);
  const { samples, ended } = soak;
  const errors = Object.entries(ended.errors).map(([kind, count]) => [kind, String(count)]);
  const parts = [
    "## Soak",
    `Written by \`npm run soak\`; [README.md](README.md) says how to read it.`,
    conditionsOf(soak)
      .map((condition) => `- ${condition}`)
      .join("\n"),
    targetTable(targets),
    `RSS: \`${sparkline(samples.map(({ rssMb }) => rssMb))}\`, heap: \`${sparkline(samples.map(({ heapMb }) => heapMb))}\`, ` +
      "each from its least to its most.",
    `After a collection, every two minutes, in MB (of it V8's heap): ${soak.kept
      .map(({ rssMb, heapMb }) => `${rssMb.toFixed(0)} (${heapMb.toFixed(0)})`)
      .join(", ")}.`,
    sampleTable(samples),
    table(
      ["request", "how many", "p50", "p95", "p99", "slowest"],
      Object.entries(ended.operations).map(([name, { count, p50, p95, p99, max }]) => [
        name,
        count.toLocaleString("en-US"),
        ...[p50, p95, p99, max].map(msText),
      ]),
    ),
    ...(errors.length === 0 ? [] : [table(["error", "how many"], errors)]),
    "",
  ];
  return { markdown: parts.join("\n\n"), targets };
}

function conditionsOf(soak: Soak): readonly string[] {
  const ramp = soak.ramp.map(({ concurrency, perSecond }) => `${Math.round(perSecond)} at ${concurrency}`).join(", ");
  return [
    `${today()}, ${commitText()}, ${soak.minutes.toFixed(1)} minutes; ${machineText()}; everything on it, over loopback`,
    `Node ${process.versions.node}; ${soak.database}; Redis`,
    `${soak.workers === 1 ? "one process" : `${soak.workers} workers`}, heap limited to ${soak.heapMb} MB each, ` +
      `\`CACHE_TTL\` ${soak.cacheSeconds} s`,
    `${soak.people} people, ${soak.conversations.toLocaleString("en-US")} conversations; ` +
      `${soak.samples.at(-1)?.eventStreams ?? 0} event streams open`,
    `${ramp === "" ? "capacity not measured" : `requests a second, so many waiting at once: ${ramp}; for long: ${Math.round(soak.capacity)}`}; held: **${soak.perSecond} ` +
      "a second**, whatever they take",
  ];
}

function targetsOf(soak: Soak): readonly Target[] {
  const { kept, ended, verified, mismatches, audits, hits, reads } = soak;
  const hitRate = hits / reads;
  const kinds = Object.entries(ended.errors).map(([kind, count]) => `${count} × ${kind}`);
  const wrong = verified === null ? ["not looked at: it was stopped"] : [...new Set(verified.wrong)];
  return [
    flat("memory that is kept (RSS after a collection)", kept, ({ rssMb }) => rssMb),
    flat("heap that is kept", kept, ({ heapMb }) => heapMb),
    mostRss(soak),
    none("errors, and reads that show anything but what was acknowledged", kinds),
    {
      name: "reads from the cache",
      wanted: "> 80%",
      reached: `**${(hitRate * 100).toFixed(1)}%** of ${reads.toLocaleString("en-US")}`,
      met: hitRate > 0.8,
    },
    {
      name: `audits that found the cache behind, of ${audits.toLocaleString("en-US")}`,
      wanted: "0",
      reached: String(mismatches),
      met: mismatches === 0 && audits > 0,
    },
    none(
      `acknowledged messages missing, twice or out of order, of ${(verified?.messages ?? 0).toLocaleString("en-US")}`,
      wrong,
    ),
  ];
}

/** Met when it grows by less than 5% an hour, or by what cannot be told from nothing. */
function flat(name: string, kept: readonly KeptSample[], valueOf: (sample: KeptSample) => number): Target {
  const { perHour, within, mean } = steadySlope(kept, valueOf);
  return {
    name: `${name} after the warm-up: growth`,
    wanted: `≤ ${GROWTH_MAX * 100}% an hour, or none within the error`,
    reached: `**${signed(perHour)} MB an hour** ± ${within.toFixed(1)} (95%), at ${mean.toFixed(0)} MB`,
    met: perHour - within <= 0 || perHour <= mean * GROWTH_MAX,
  };
}

/** The first third, ten minutes at most, fills caches and pools, and is left out. */
function steadySlope(kept: readonly KeptSample[], valueOf: (sample: KeptSample) => number): Slope {
  const warmUp = Math.min(WARM_UP_SECONDS_MAX, (kept.at(-1)?.seconds ?? 0) / 3);
  const steady = kept.filter(({ seconds }) => seconds > warmUp);
  return slopeOf(steady.map((sample) => ({ hours: sample.seconds / 3_600, value: valueOf(sample) })));
}

/** In between, garbage adds up to V8's limits and no further, however often a moment's load has had it ask for more. */
function mostRss({ samples, kept, workers, heapMb, youngMb }: Soak): Target {
  const most = Math.max(...samples.map(({ rssMb }) => rssMb));
  const outside = Math.max(...kept.map((each) => each.rssMb - each.heapMb));
  const limit = outside + workers * (heapMb + 3 * youngMb);
  return {
    name: "memory (RSS) at most",
    wanted: `≤ ${limit.toFixed(0)} MB: V8's limits, and what is outside of its heap`,
    reached: `**${most.toFixed(0)} MB**`,
    met: most <= limit,
  };
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
}

function sampleTable(samples: readonly Sample[]): string {
  const every = Math.max(1, Math.ceil(samples.length / ROWS));
  const shown = samples.filter((_, nth) => nth % every === every - 1 || nth === samples.length - 1);
  const head = [
    "minute",
    "RSS",
    "heap",
    "external",
    "CPU",
    "lag p99",
    "hits",
    "p50",
    "p95",
    "p99",
    "errors",
    "pool",
    "wait for it",
  ];
  return table(
    [...head, "Redis", "PostgreSQL"],
    shown.map((sample) => {
      const nth = samples.indexOf(sample);
      const seconds = sample.seconds - (samples[nth - 1]?.seconds ?? 0);
      return [
        (sample.seconds / 60).toFixed(1),
        `${sample.rssMb.toFixed(0)} MB`,
        `${sample.heapMb.toFixed(0)} of ${sample.heapTotalMb.toFixed(0)} MB`,
        `${sample.externalMb.toFixed(0)} MB`,
        `${Math.round((sample.cpuSeconds / seconds) * 100)}%`,
        msText(sample.lagMs),
        `${(sample.hitRate * 100).toFixed(1)}%`,
        ...[sample.all.p50, sample.all.p95, sample.all.p99].map(msText),
        String(Object.values(sample.errors).reduce((sum, count) => sum + count, 0)),
        String(sample.connections),
        String(sample.waiting),
        `${sample.redisMb.toFixed(1)} MB`,
        `${sample.databaseMb.toFixed(0)} MB, ${sample.databaseConnections} connections`,
      ];
    }),
  );
}
