import type { Role } from "./types.ts";

export type OperatorWindow = "15m" | "1h" | "24h" | "7d";

/** In seconds, a figure a step; null: nothing was measured. */
export interface OperatorQuantiles {
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
}

/** One server's figures since it started; `usage` alone is of all of them, and outlives them. */
export interface OperatorReport {
  readonly status: "healthy" | "degraded";
  readonly troubles: readonly {
    readonly code:
      | "stopping"
      | "database_unavailable"
      | "database_busy"
      | "redis_unavailable"
      | "cache_unavailable"
      | "failing";
    /** for people */
    readonly detail: string;
  }[];
  readonly version: string;
  readonly started_at: string;
  /** when the newest figures were taken; every 10 seconds */
  readonly sampled_at: string;
  readonly window: OperatorWindow;
  /** the last 5 minutes, or since the start; replies and streams: this moment. null: nothing happened */
  readonly now: {
    readonly requests_per_second: number;
    /** of all requests, answered 5xx */
    readonly error_percent: number | null;
    readonly p95_seconds: number | null;
    /** of all reads of recent messages */
    readonly cache_hit_percent: number | null;
    readonly replies_running: number;
    readonly streams_open: number;
  };
  readonly series: OperatorSeries;
  /** since the start, the most frequent first */
  readonly error_codes: readonly { readonly code: string; readonly count: number }[];
  /** the last 30 days of all users and servers, in UTC; null: PostgreSQL does not answer */
  readonly usage: {
    /** false: some of it is still being counted */
    readonly complete: boolean;
    /** those on which anything was said, oldest first */
    readonly days: readonly {
      /** `YYYY-MM-DD` */
      readonly day: string;
      readonly messages: number;
      readonly tokens_used: number;
    }[];
  } | null;
}

/** Columns with a figure for each step, oldest first: how often; of connections and memory the highest. */
export interface OperatorSeries {
  /** each step's end, in seconds since 1970 */
  readonly times: readonly number[];
  /** each step's length; the last one may not be over yet */
  readonly seconds: readonly number[];
  readonly requests: readonly number[];
  readonly latency: OperatorQuantiles;
  /** the busiest routes of the window */
  readonly routes: readonly (OperatorQuantiles & {
    readonly method: string;
    readonly route: string;
    readonly requests: number;
  })[];
  readonly first_token: OperatorQuantiles;
  readonly cache: Readonly<Record<"hit" | "miss" | "bypass", readonly number[]>>;
  readonly messages: Readonly<Record<Role, readonly number[]>>;
  /** answers 4xx and 5xx */
  readonly errors: Readonly<Record<"client" | "server", readonly number[]>>;
  readonly queries: OperatorQuantiles;
  readonly pool: Readonly<Record<"busy" | "idle" | "waiting", readonly (number | null)[]>>;
  /** connections to Redis that were lost; null: there is no Redis */
  readonly redis_away: readonly (number | null)[];
  readonly event_loop: OperatorQuantiles;
  /** in bytes */
  readonly memory: Readonly<Record<"resident" | "heap", readonly (number | null)[]>>;
}
