/** What no order of steps can show the need of: it bounds time, memory or work, and another test covers it. */
export interface Bound {
  /** below `packages/backscroll` */
  readonly file: string;
  readonly what: string;
  readonly without: string;
  /** file and name of the test, below `packages/backscroll/test` */
  readonly test: readonly [file: string, name: string];
}

const LUA = ["lua/append.lua", "lua/fill.lua"] as const;

export const BOUNDS: readonly Bound[] = [
  {
    file: LUA[0],
    what: "an append to nothing ends early",
    without: "it drops what is not there, and is counted as a gap",
    test: ["cache-conformance.ts", "an append to nothing caches nothing"],
  },
  {
    file: LUA[0],
    what: "an append that the list has already ends early",
    without: "it drops a list that is right",
    test: ["cache-conformance.ts", "a gap drops the list, an append that was told before changes nothing"],
  },
  {
    file: LUA[0],
    what: "a gap drops the version, too",
    without: "it stays, alone, until it expires",
    test: ["cache-conformance.ts", "a gap drops the list, an append that was told before changes nothing"],
  },
  {
    file: LUA[0],
    what: "PEXPIRE and PX",
    without: "list and version live on for ever, or not equally long",
    test: ["cache.test.ts", "list and version live equally long: after a fill, an append, and hits"],
  },
  {
    file: LUA[1],
    what: "PEXPIRE and PX",
    without: "list and version live on for ever, or not equally long",
    test: ["cache.test.ts", "list and version live equally long: after a fill, an append, and hits"],
  },
  {
    file: LUA[1],
    what: "a fill drops its lease",
    without: "nobody else fills until it expires",
    test: ["cache-conformance.ts", "one reader at a time has the lease, and the others learn who"],
  },
  {
    file: "src/cache/redis/redis-cache.ts",
    what: "NX: who asks first has the lease",
    without: "who asks last has it, and a busy conversation is filled late",
    test: ["cache-conformance.ts", "one reader at a time has the lease, and the others learn who"],
  },
  {
    file: "src/cache/redis/redis-cache.ts",
    what: "PX of the lease",
    without: "after a reader that died nobody fills",
    test: ["cache-conformance.ts", "a lease and a list that nobody touches expire"],
  },
  {
    file: "src/cache/redis/redis-cache.ts",
    what: "a change drops the version, too",
    without: "it stays, alone, until it expires",
    test: ["cache-conformance.ts", "an invalidated conversation is a miss"],
  },
  {
    file: "src/cache/redis/redis-cache.ts",
    what: "a drop takes this database's keys only",
    without: "another's go, too",
    test: ["cache.test.ts", "two databases share a Redis without meeting, and dropping one leaves the other"],
  },
  {
    file: "src/cache/guard.ts",
    what: "the deadline, and the breaker",
    without: "a Redis that hangs hangs every request",
    test: ["cache-faults.test.ts", "SIGSTOP of Redis during load: no failed request, no wrong answer, nobody hangs"],
  },
  {
    file: "src/cache/coherent-cache.ts",
    what: "a conversation or message that is too large is not cached",
    without: "reading it from Redis takes as long as a call may",
    test: ["cache-metrics.test.ts", "what is too large for the cache is counted, and read from PostgreSQL"],
  },
  {
    file: "src/cache/verifier.ts",
    what: "the audit",
    without: "what was written past Backscroll is not shown until the conversation expires",
    test: ["cache-metrics.test.ts", "checks, audits and their mismatches are counted"],
  },
];
