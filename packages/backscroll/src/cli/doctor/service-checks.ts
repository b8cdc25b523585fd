import { isAuthRequired } from "../../config.ts";
import { histogramQuantile } from "../../metrics/quantile.ts";
import { VERSION } from "../../version.ts";
import { bucketsBy, type Sample, sumOf } from "../metrics-text.ts";
import { type Check, fail, milliseconds, ok, percent, unreachable, type Verdict, warn } from "./check.ts";
import type { Findings } from "./findings.ts";

/** The guide's target. */
const HIT_RATE_MIN = 0.8;
/** Fewer reads than this say nothing. */
const READS_MIN = 100;
const EVENT_LOOP_WARN_S = 0.1;
/** A minute of them: starting is work without a pause. */
const LAGS_MIN = 600;

/** How the service does that runs already, if one does. */
export const SERVICE_CHECKS: readonly Check[] = [
  { id: "port", title: "Port", examine: examinePort },
  {
    id: "service",
    title: "Service",
    examine({ service }) {
      if (service?.state !== "backscroll") return null;
      const { version, ready, origin } = service;
      const { status, body } = ready ?? { status: 0, body: {} };
      if (status !== 200) {
        return unreachable(
          `${origin} lives and is not ready: ${typeof body["code"] === "string" ? body["code"] : status}`,
          "database_unavailable: see the checks of PostgreSQL; shutting_down: it is stopping, wait",
        );
      }
      if (body["status"] === "degraded") {
        return warn(
          `${origin} is degraded: its cache does not answer, reads come from PostgreSQL`,
          "See the checks of Redis; the service uses it again by itself, do not restart it",
        );
      }
      if (version !== null && version !== VERSION) {
        return warn(`${origin} runs version ${version}; this is ${VERSION}`, "Restart it to run this version");
      }
      return ok(`ready at ${origin}${version === null ? "" : `, version ${version}`}`);
    },
  },
  {
    id: "metrics",
    title: "Metrics",
    examine({ service, config }) {
      if (service?.state === "backscroll") {
        if (service.metrics) return ok(`${service.origin}/metrics can be read`);
        const fix =
          config.metricsToken === undefined
            ? "Set METRICS_TOKEN for the service, for Prometheus and here"
            : "Set METRICS_TOKEN here to what the service has";
        return warn(`${service.origin}/metrics cannot be read: hit rate, errors and the pool are not seen`, fix);
      }
      if (!isAuthRequired(config) || config.metricsToken !== undefined) return null;
      return warn("with authentication and without METRICS_TOKEN nobody reads /metrics", "Set METRICS_TOKEN");
    },
  },
  onMetrics("cache-hit-rate", "Cache hit rate", (metrics, { cacheKind }) => {
    const count = (result: string): number => sumOf(metrics, READS, { result }) ?? 0;
    // Pages are bypasses by design; that every read is one, another check tells.
    const [hits, reads] = [count("hit"), count("hit") + count("miss")];
    if (cacheKind === "off") return null;
    if (reads < READS_MIN) return ok(`${reads} reads since the start: too few to tell`);
    const detail = `${percent(hits / reads)} of ${reads.toLocaleString("en")} reads since the start (target: over 80%)`;
    if (hits / reads > HIT_RATE_MIN) return ok(detail);
    return warn(
      detail,
      "Raise CACHE_TTL and CACHE_IDLE_TTL, CACHE_MESSAGE_LIMIT to what is read at once, and maxmemory if keys are evicted",
    );
  }),
  onMetrics("cache-truth", "Cache audits", (metrics) => {
    const mismatches = sumOf(metrics, "backscroll_cache_audit_mismatch_total");
    if (mismatches === null) return null;
    if (mismatches === 0) return ok("no cached conversation was ever behind");
    return fail(
      `${mismatches} times a cached conversation was behind PostgreSQL`,
      "Does somebody write past Backscroll (psql, a restore)? Then backscroll cache drop. If not, it is a bug: report it",
    );
  }),
  onMetrics("cache-state", "Cache state", (metrics) => {
    const gauge = (name: string): number => sumOf(metrics, `backscroll_cache_${name}`) ?? 0;
    const [open, bypassed, dirty] = [gauge("breaker_open"), gauge("bypassed"), gauge("dirty_conversations")];
    if (open > 0) {
      return warn(
        `${open} servers of the cache do not answer and are left alone`,
        "See the checks of Redis; it mends itself",
      );
    }
    if (bypassed > 0) {
      return warn(
        "every read leaves the cache aside: other servers are not heard, or too much is dirty",
        "LISTEN needs a direct connection: see the check of the pooler, and the service's log",
      );
    }
    if (dirty === 0) return ok("in use, and told of every change");
    return warn(
      `${dirty} conversations are read from PostgreSQL until the cache was told`,
      "See the checks of Redis; it mends itself",
    );
  }),
  onMetrics("pool", "Connections in use", (metrics, { config }) => {
    const waiting = sumOf(metrics, POOL, { state: "waiting" }) ?? 0;
    const busy = sumOf(metrics, POOL, { state: "busy" }) ?? 0;
    if (waiting === 0) return ok(`${busy} busy, nobody waits`);
    return warn(
      `${waiting} requests wait for a connection, ${busy} are busy`,
      `Raise DATABASE_POOL_MAX (${config.databasePoolMax}) if PostgreSQL has cores to spare, or look for slow statements`,
    );
  }),
  onMetrics("errors", "Bugs", (metrics) => {
    const internal = sumOf(metrics, "backscroll_errors_total", { code: "internal" }) ?? 0;
    if (internal === 0) return ok("no request was answered with `internal` since the start");
    return warn(
      `${internal} requests were answered with \`internal\``,
      "Look for level 50 in the service's log, and report it",
    );
  }),
  onMetrics("event-loop", "Event loop", (metrics) => {
    const lag = bucketsBy(metrics, "backscroll_event_loop_lag_seconds", "").get("");
    const p99 = lag && (lag.atMost.at(-1) ?? 0) >= LAGS_MIN ? histogramQuantile(0.99, lag) : null;
    if (p99 === null) return null;
    const detail = `late by ${milliseconds(p99 * 1_000)} (p99 since the start)`;
    if (p99 < EVENT_LOOP_WARN_S) return ok(detail);
    return warn(
      `${detail}: one process has more to do than one core can`,
      "Raise WORKERS while there are idle cores, otherwise add servers",
    );
  }),
];

const READS = "backscroll_cache_reads_total";
const POOL = "backscroll_postgres_connections";

function onMetrics(
  id: string,
  title: string,
  examine: (metrics: readonly Sample[], findings: Findings) => Verdict | null,
): Check {
  return {
    id,
    title,
    examine: (findings) => (findings.service?.metrics ? examine(findings.service.metrics, findings) : null),
  };
}

function examinePort({ service, config, bad }: Findings): Verdict | null {
  if (service === null || bad.has("port") || bad.has("host")) return null;
  const { state, origin, process: owner } = service;
  const who = owner === null ? "" : `: ${owner}`;
  if (state === "free") return ok(`${config.port} is free`);
  if (state === "backscroll") return ok(`${config.port} is Backscroll's${who}`);
  if (state === "silent") {
    return unreachable(
      `${origin} takes connections and does not answer${who}`,
      "If it is Backscroll, look at its log and whether it is stopped (kill -CONT <pid>), or restart it",
    );
  }
  return fail(
    `${config.port} is in use by something else${who}`,
    `Stop it, or take another one: --port ${config.port + 1}`,
  );
}
