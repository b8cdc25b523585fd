/** One thing that keeps the cache from lying, and the source without it. */
export interface Guard {
  /** below `packages/backscroll` */
  readonly file: string;
  readonly guard: string;
  /** each text occurs once */
  readonly edits: readonly (readonly [text: string, without: string])[];
}

const APPEND = "lua/append.lua";
const FILL = "lua/fill.lua";
const REDIS = "src/cache/redis/redis-cache.ts";
const PORT = "src/cache/conversation-cache.ts";
const COHERENT = "src/cache/coherent-cache.ts";
const VERIFIER = "src/cache/verifier.ts";
const TRUST = "src/cache/trust.ts";
const DIRTY = "src/cache/dirty-conversations.ts";
const SHARED = "src/cache/shared-queries.ts";

export const GUARDS: readonly Guard[] = [
  // One atomic operation each.
  { file: APPEND, guard: "an append drops the lease", edits: [[`redis.call("DEL", KEYS[3])\n`, ""]] },
  {
    file: APPEND,
    guard: "only a list that is there is extended",
    edits: [["if present and version == ARGV[1] then", "if version == ARGV[1] then"]],
  },
  {
    file: APPEND,
    guard: "only the version before is extended",
    edits: [["if present and version == ARGV[1] then", "if present then"]],
  },
  {
    file: APPEND,
    guard: "what was told before is not told again",
    edits: [
      [`if version and tonumber(version) >= tonumber(ARGV[2]) then return 0 end\n`, ""],
      ["if present and version == ARGV[1] then", "if present then"],
    ],
  },
  { file: APPEND, guard: "the list is cut", edits: [[`  redis.call("LTRIM", KEYS[1], 0, ARGV[3])\n`, ""]] },
  {
    file: APPEND,
    guard: "the version moves with the list",
    edits: [[`  redis.call("SET", KEYS[2], ARGV[2], "PX", ARGV[4])\n`, ""]],
  },
  {
    file: APPEND,
    guard: "a gap drops the list",
    edits: [[`redis.call("DEL", KEYS[1], KEYS[2])\nreturn -1`, `redis.call("DEL", KEYS[2])\nreturn -1`]],
  },
  {
    file: FILL,
    guard: "only the lease's holder fills",
    edits: [[/* lua */ `if redis.call("GET", KEYS[3]) ~= ARGV[1] then return 0 end\n`, ""]],
  },
  {
    file: FILL,
    guard: "a fill replaces the list",
    edits: [[`redis.call("DEL", KEYS[1], KEYS[3])`, `redis.call("DEL", KEYS[3])`]],
  },
  {
    file: FILL,
    guard: "a fill sets the version",
    edits: [[`redis.call("SET", KEYS[2], ARGV[2], "PX", ARGV[3])\n`, ""]],
  },
  {
    file: REDIS,
    guard: "a change drops the lease",
    edits: [[`["DEL", ...all]`, `["DEL", all[0], all[1]]`]],
  },
  {
    file: REDIS,
    guard: "a change drops the list",
    edits: [[`["DEL", ...all]`, `["DEL", all[1], all[2]]`]],
  },
  { file: REDIS, guard: "a drop passes twice", edits: [["pass <= 2", "pass <= 1"]] },
  // What an element is.
  {
    file: PORT,
    guard: `"^" is no message`,
    edits: [["const count = whole ? elements.length - 1 : elements.length;", "const count = elements.length;"]],
  },
  {
    file: PORT,
    guard: "too few elements are no answer",
    edits: [[`if (!whole && elements.length <= limit) return "short";`, ""]],
  },
  {
    file: PORT,
    guard: "the list holds one more than a hit shows",
    edits: [[".slice(0, messageLimit + 1);", ".slice(0, messageLimit);"]],
  },
  // Reading.
  {
    file: COHERENT,
    guard: "a server that hears nothing bypasses the cache",
    edits: [["this.#listening = heard ? {} : null;", "this.#listening ??= {};"]],
  },
  {
    file: COHERENT,
    guard: "hearing again is another epoch",
    edits: [
      ["this.#listening = heard ? {} : null;", "this.#listening = heard ? SINCE : null;"],
      ["const LOGGED_AS", "const SINCE = {};\nconst LOGGED_AS"],
    ],
  },
  {
    file: COHERENT,
    guard: "a dirty conversation is not read",
    edits: [
      [
        `if (listening === null || this.#dirty.has(key)) return "unavailable";`,
        `if (listening === null) return "unavailable";`,
      ],
    ],
  },
  {
    file: COHERENT,
    guard: "what was read of an epoch before is no hit",
    edits: [[`if (!this.#isNow(at, epoch)) return "unavailable";`, ""]],
  },
  {
    file: COHERENT,
    guard: "what is not trusted is checked",
    edits: [["if (this.#verifier.isTrusted(at, key, epoch)) return found;", "return found;"]],
  },
  {
    file: COHERENT,
    guard: "a check counts only in its epoch",
    edits: [[`if (!this.#verifier.isTrusted(at, key, epoch)) return "absent";`, ""]],
  },
  {
    file: COHERENT,
    guard: "it is read again after the check",
    edits: [["const checked = await this.#read(at, node, limit);", "const checked = found;"]],
  },
  {
    file: COHERENT,
    guard: "what was read again is of the epoch of the check",
    edits: [[`return this.#isNow(at, epoch) ? checked : "unavailable";`, "return checked;"]],
  },
  {
    file: COHERENT,
    guard: "an epoch ends with the connection to Redis",
    edits: [
      [
        "return this.#listening === listening && this.#cache.node(at).incarnation === incarnation;",
        "return this.#listening === listening;",
      ],
    ],
  },
  {
    file: COHERENT,
    guard: "the lease comes before the query",
    edits: [
      [
        "const listening = this.#listening;\n    const node = this.#cache.node(at);\n    const { incarnation } = node;",
        "const early = await load(Math.max(limit + 1, snapshotLength));\n    const listening = this.#listening;\n    const node = this.#cache.node(at);\n    const { incarnation } = node;",
      ],
      ["const snapshot = load(Math.max(limit + 1, snapshotLength));", "const snapshot = Promise.resolve(early);"],
    ],
  },
  {
    file: COHERENT,
    guard: "a lease of an epoch before is none",
    edits: [["|| !this.#isNow(at, { incarnation, listening }))", ")"]],
  },
  {
    file: COHERENT,
    guard: "a query is shared with smaller limits only",
    edits: [["if (limit <= messageLimit && isShared)", "if (isShared)"]],
  },
  {
    file: COHERENT,
    guard: "a query is shared under one lease only",
    edits: [["shared?.holder === holder && shared.incarnation", "shared?.incarnation"]],
  },
  {
    file: COHERENT,
    guard: "a query is shared within one connection to Redis only",
    edits: [["&& shared.incarnation === incarnation", ""]],
  },
  {
    file: COHERENT,
    guard: "a query is not shared across a time in which nothing was heard",
    edits: [["&& shared.listening === listening", ""]],
  },
  {
    file: COHERENT,
    guard: "a query aside is shared with smaller limits only",
    edits: [["const snapshot = limit > messageLimit ? load(limit + 1) : this", "const snapshot = this"]],
  },
  {
    file: COHERENT,
    guard: "what a fill installed is trusted in the lease's epoch",
    edits: [
      [
        "if (installed) this.#verifier.trust(key, epoch);",
        "if (installed && this.#listening) this.#verifier.trust(key, { incarnation: this.#cache.node(at).incarnation, listening: this.#listening });",
      ],
    ],
  },
  {
    file: COHERENT,
    guard: "what a fill did not install is not trusted",
    edits: [["if (installed) this.#verifier.trust(key, epoch);", "this.#verifier.trust(key, epoch);"]],
  },
  // What the cache could not be told.
  {
    file: COHERENT,
    guard: "a failed append is remembered",
    edits: [
      [`this.#metrics.append("failed");\n      await this.#couldNotTell(at);`, `this.#metrics.append("failed");`],
    ],
  },
  {
    file: COHERENT,
    guard: "another failed change is remembered",
    edits: [
      [
        "await this.#invalidate(at).catch(() => this.#couldNotTell(at));",
        "await this.#invalidate(at).catch(() => undefined);",
      ],
    ],
  },
  {
    file: COHERENT,
    guard: "what could not be told is dirty",
    edits: [
      [
        "async #couldNotTell(at: ConversationRef): Promise<void> {\n    this.#dirty.mark(keyOf(at), at);",
        "async #couldNotTell(at: ConversationRef): Promise<void> {",
      ],
    ],
  },
  {
    file: COHERENT,
    guard: "what could not be told is announced",
    edits: [["await withDeadline(this.#options.announce(at), ANNOUNCE_MS);", ""]],
  },
  {
    file: COHERENT,
    guard: "an unknown COMMIT makes dirty",
    edits: [
      [
        "// Nobody has been promised anything: the other servers need not hear of it.\n    this.#dirty.mark(keyOf(at), at);",
        "",
      ],
    ],
  },
  {
    file: COHERENT,
    guard: "what is announced is dirty",
    edits: [
      [
        `this.#metrics.announcement("heard");\n    this.#dirty.mark(keyOf(at), at);`,
        `this.#metrics.announcement("heard");`,
      ],
    ],
  },
  {
    file: DIRTY,
    guard: "a repair that failed is no repair",
    edits: [[`if (results[index]?.status === "rejected") {`, "if (false) {"]],
  },
  {
    file: DIRTY,
    guard: "a repair counts for the marks before it",
    edits: [
      ["if (this.#marks.get(key) === mark && this.#marks.delete(key)) this.", "if (this.#marks.delete(key)) this."],
    ],
  },
  {
    file: DIRTY,
    guard: "a mark of its own for every change",
    edits: [["this.#marks.set(key, { at });", "if (!this.#marks.has(key)) this.#marks.set(key, { at });"]],
  },
  {
    file: DIRTY,
    guard: "more than can be remembered is everything",
    edits: [["      this.#everything = {};\n      this.#marks.clear();", ""]],
  },
  {
    file: DIRTY,
    guard: "everything is dirty to each conversation",
    edits: [["return this.#everything !== null || this.#marks.has(key);", "return this.#marks.has(key);"]],
  },
  {
    file: DIRTY,
    guard: "everything stays dirty until it has been dropped",
    edits: [["return false; // tried again: the breaker has counted it", ""]],
  },
  {
    file: DIRTY,
    guard: "a drop counts for the changes before it",
    edits: [["if (this.#everything !== before) return true;\n", ""]],
  },
  {
    file: DIRTY,
    guard: "everything is marked anew by every change",
    edits: [["      this.#everything = {};\n", "      this.#everything ??= {};\n"]],
  },
  // Trust.
  {
    file: VERIFIER,
    guard: "another version than PostgreSQL's is not trusted",
    edits: [["const equal = cached !== null && cached === stored;", "const equal = cached !== null;"]],
  },
  {
    file: VERIFIER,
    guard: "no version is not trusted",
    edits: [["const equal = cached !== null && cached === stored;", "const equal = cached === stored;"]],
  },
  {
    file: VERIFIER,
    guard: "what is not equal is taken out of the cache",
    edits: [["else await discard(at);", ""]],
  },
  {
    file: TRUST,
    guard: "trust ends with the connection to Redis",
    edits: [["|| checked.incarnation !== incarnation ", ""]],
  },
  { file: TRUST, guard: "trust ends when nothing is heard", edits: [["|| checked.listening !== listening", ""]] },
  // Queries.
  {
    file: SHARED,
    guard: "who comes while a query runs waits for the next",
    edits: [["return (turn.next ??= turn.running.then(start, start));", "return turn.running;"]],
  },
];
