import { setTimeout as pause } from "node:timers/promises";
import { startPostgresRelay, type StatementCount } from "../packages/backscroll/test/postgres-relay.ts";
import { type Bench, say } from "./bench-context.ts";
import { runSql } from "./database.ts";
import { openBenchRedis } from "./redis.ts";
import { msText, none, type Section, table, type Target } from "./report.ts";
import { quantile } from "./rounds.ts";
import { newConversations } from "./seed.ts";
import { type BenchService, startService } from "./service.ts";
import { readStreamed, type SeenReply, textOfModel, textOfUi } from "./turns-client.ts";
import { openPacedModel, type Pace, type PacedModel, questionFor, tokensOf } from "./turns-model.ts";

/** Turns that run at the same time, each in a conversation of its own. */
export interface TurnLoad {
  readonly turns: number;
  readonly tokensPerSecond: number;
  /** of each reply */
  readonly tokens: number;
  /** the first one starts at 0 ms, the last one then */
  readonly startedWithinMs: number;
}

/** What turns run against. */
interface TurnSurroundings {
  readonly database: Pick<Bench["database"], "url">;
  readonly seeded: Pick<Bench["seeded"], "userId">;
  readonly model: PacedModel;
}

interface Surroundings extends Bench {
  readonly model: PacedModel;
  readonly redisUrl: string;
}

/** Many streamed turns on one service process, what they cost PostgreSQL, and how often a client is woken. */
export async function measureTurns(bench: Bench): Promise<Section> {
  const redis = await openBenchRedis();
  const model = await openPacedModel();
  const at: Surroundings = { ...bench, model, redisUrl: redis.url };
  try {
    const loads = await measureLoads(at);
    const commits = await measureCommits(at);
    const pieces = await measurePieces(at);
    return {
      title: "Streamed turns",
      text: [loads.text, commits.text, pieces.text].join("\n\n"),
      targets: [loads.target, ...commits.targets, pieces.target],
    };
  } finally {
    await model.close();
    await redis.close();
  }
}

const WITH_REDIS = "with Redis";
const WITHOUT_REDIS = "without Redis";
const FLOOR = "the model, asked directly";

async function measureLoads(at: Surroundings): Promise<{ text: string; target: Target }> {
  const rows: string[][] = [];
  const lost: string[] = [];
  for (const load of at.effort.turnLoads) {
    const name = `${load.turns.toLocaleString("en-US")} at ${load.tokensPerSecond}/s`;
    say(`turns, ${name}, ${FLOOR}`);
    const floor = await runLoad(load, (pace) => askModel(at.model, pace));
    rows.push([name, FLOOR, ...firstTokens(floor), "", "", "", ""]);
    for (const [way, environment] of [
      [WITH_REDIS, { REDIS_URL: at.redisUrl }],
      [WITHOUT_REDIS, {}],
    ] as const) {
      say(`turns, ${name}, ${way}`);
      const runs = await measureLoad(at, load, environment);
      for (const [run, { seen, problems, memory }] of runs.entries()) {
        const which = run === 0 ? way : `${way}, again`;
        lost.push(...problems.map((problem) => `${name} ${which}: ${problem}`));
        const megabytes = memory.map((mb) => `${Math.round(mb)} MB`);
        rows.push([name, which, ...firstTokens(seen), ...megabytes, String(problems.length)]);
      }
    }
  }
  const head = ["turns at once", "", "first token p50", "p99", "slowest", "RSS before", "peak", "after", "lost"];
  return {
    text:
      `One service process, its heap limited to ${HEAP_MB} MB, and a scripted model, which says its first token at once. ` +
      `Lost: the stream or the stored message is not what the model said.\n\n${table(head, rows)}`,
    target: none("streamed turns that lost anything", lost.slice(0, 5)),
  };
}

interface LoadResult {
  readonly seen: readonly SeenReply[];
  readonly problems: readonly string[];
  /** before, at the peak, and when all is over */
  readonly memory: readonly [number, number, number];
}

/** After so long, what a load has left behind is garbage that has been collected, or it is kept. */
const SETTLED_MS = 3_000;

/** The same load twice on one process: what the second adds to its memory is what a load leaves behind. */
export async function measureLoad(
  at: TurnSurroundings,
  load: TurnLoad,
  environment: Readonly<Record<string, string>>,
): Promise<readonly LoadResult[]> {
  const service = await startTurnService(at, at.database.url, environment);
  try {
    await warmUp(at, service);
    return [await measureLoadOnce(at, load, service), await measureLoadOnce(at, load, service)];
  } finally {
    await service.close();
  }
}

async function measureLoadOnce(at: TurnSurroundings, load: TurnLoad, service: BenchService): Promise<LoadResult> {
  const ids = await newConversations(at.database.url, at.seeded.userId, load.turns);
  const before = await service.memoryMb();
  const over = new AbortController();
  const peak = watchMemory(service, over.signal);
  const seen = await runLoad(load, (pace) => askService(service, ids[pace.nth] ?? "", pace));
  over.abort();
  await pause(SETTLED_MS);
  const memory = [before, await peak, await service.memoryMb()] as const;
  return { seen, problems: await findProblems(at, load, ids, seen), memory };
}

/** Every stream and every stored message, compared with what the model said. */
async function findProblems(
  { database, seeded }: TurnSurroundings,
  load: TurnLoad,
  ids: readonly string[],
  seen: readonly SeenReply[],
): Promise<readonly string[]> {
  const rows = await runSql(
    database.url,
    `select conversation_id, content from messages
      where user_id = $1 and conversation_id = any($2) and role = 'assistant' and status = 'complete'`,
    [seeded.userId, ids],
  );
  const stored = new Map(rows.map((row) => [row["conversation_id"], row["content"]]));
  return seen.flatMap(({ text, problem }, nth) => {
    const said = tokensOf({ ...load, nth }).join("");
    if (problem !== null) return [problem];
    if (text !== said) return [`the stream says ${text.length} characters of ${said.length}`];
    return stored.get(ids[nth]) === said ? [] : ["another message is stored"];
  });
}

const HEAP_MB = 512;

function startTurnService(
  { model }: TurnSurroundings,
  databaseUrl: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<BenchService> {
  return startService({
    DATABASE_URL: databaseUrl,
    MODEL: "compatible/paced-1",
    MODEL_BASE_URL: model.baseUrl,
    LOG_LEVEL: "silent",
    // Given more, V8 leaves garbage lying about, and RSS says nothing of what is needed.
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}`,
    ...environment,
  });
}

/** The first turns of a process load code and open connections. */
async function warmUp({ database, seeded }: TurnSurroundings, service: BenchService): Promise<void> {
  const load = { turns: 20, tokens: 5, tokensPerSecond: 100, startedWithinMs: 200 };
  const ids = await newConversations(database.url, seeded.userId, load.turns);
  await runLoad(load, (pace) => askService(service, ids[pace.nth] ?? "", pace));
}

/** @returns what each turn saw, in order */
function runLoad(load: TurnLoad, ask: (pace: Pace) => Promise<SeenReply>): Promise<SeenReply[]> {
  return Promise.all(
    Array.from({ length: load.turns }, async (_, nth) => {
      await pause((nth / load.turns) * load.startedWithinMs);
      return ask({ nth, tokens: load.tokens, tokensPerSecond: load.tokensPerSecond });
    }),
  );
}

function askService({ url }: BenchService, conversationId: string, pace: Pace): Promise<SeenReply> {
  return readStreamed({
    url: `${url}/api/conversations/messages`,
    body: { conversation_id: conversationId, message: questionFor(pace), stream: true },
    textIn: textOfUi,
  });
}

/** As long as the load's first tokens take: the rest of the text is not looked at. */
function askModel({ baseUrl }: PacedModel, pace: Pace): Promise<SeenReply> {
  const question = questionFor({ ...pace, tokens: Math.min(pace.tokens, pace.tokensPerSecond) });
  return readStreamed({
    url: `${baseUrl}/chat/completions`,
    body: { model: "paced-1", stream: true, messages: [{ role: "user", content: question }] },
    textIn: textOfModel,
  });
}

function firstTokens(seen: readonly SeenReply[]): string[] {
  const times = seen.map(({ firstTextMs }) => firstTextMs);
  return [quantile(times, 0.5), quantile(times, 0.99), Math.max(...times)].map(msText);
}

/** @returns the most there was until the signal */
async function watchMemory(service: BenchService, signal: AbortSignal): Promise<number> {
  let most = 0;
  while (!signal.aborted) {
    most = Math.max(most, await service.memoryMb());
    await pause(250);
  }
  return most;
}

const SHORT = { turns: 20, tokens: 5, tokensPerSecond: 100, startedWithinMs: 0 };
const LONG = { turns: 20, tokens: 50, tokensPerSecond: 8, startedWithinMs: 0 };

/** Transactions that write, told by PostgreSQL's own counter, and every statement that a turn sends. */
async function measureCommits(at: Surroundings): Promise<{ text: string; targets: readonly Target[] }> {
  say("what a turn asks of PostgreSQL");
  const relay = await startPostgresRelay(at.database.url);
  const service = await startTurnService(at, relay.databaseUrl, { REDIS_URL: at.redisUrl });
  try {
    await warmUp(at, service);
    const measure = async (load: TurnLoad): Promise<{ written: number; statements: Counts }> => {
      const ids = await newConversations(at.database.url, at.seeded.userId, load.turns);
      const [xidBefore, before] = [await nextXid(at), new Map(relay.statements)];
      await runLoad(load, (pace) => askService(service, ids[pace.nth] ?? "", pace));
      return { written: (await nextXid(at)) - xidBefore - 1, statements: difference(relay.statements, before) };
    };
    const short = await measure(SHORT);
    const long = await measure(LONG);
    const seconds = LONG.tokens / LONG.tokensPerSecond;
    const names = [...new Set([...short.statements.keys(), ...long.statements.keys()])];
    const rows = names.map((name) => [
      `\`${name}\``,
      (short.statements.get(name) ?? long.statements.get(name))?.writes ? "writes" : "reads",
      String(short.statements.get(name)?.times ?? 0),
      String(long.statements.get(name)?.times ?? 0),
    ]);
    rows.push(["transactions that wrote, as PostgreSQL counts them", "", String(short.written), String(long.written)]);
    return {
      text: `What ${SHORT.turns} turns send to PostgreSQL.\n\n${table(
        ["statement", "", "turns that take no time", `turns of ${seconds} s, at once`],
        rows,
      )}`,
      targets: [
        exactly("statements that write, a turn", 2, writesOfTurns(short.statements) / SHORT.turns),
        exactly(
          `the same, a turn of ${seconds} s, besides checkpoints`,
          2,
          writesOfTurns(long.statements) / LONG.turns,
        ),
      ],
    };
  } finally {
    await service.close();
    await relay.close();
  }
}

type Counts = ReadonlyMap<string, StatementCount>;

function difference(after: Counts, before: Counts): Counts {
  const counts = [...after].map(
    ([name, { times, writes }]) => [name, { times: times - (before.get(name)?.times ?? 0), writes }] as const,
  );
  return new Map(counts.filter(([, { times }]) => times > 0));
}

/** Sent for the whole process every few seconds, whatever its turns are. */
const OF_THE_PROCESS = new Set(["checkpoint_replies", "announce", "select pg_notify($1, $2)"]);

function writesOfTurns(statements: Counts): number {
  return [...statements]
    .filter(([name, { writes }]) => writes && !OF_THE_PROCESS.has(name))
    .reduce((sum, [, { times }]) => sum + times, 0);
}

/** PostgreSQL numbers every transaction that writes, of the whole server, and this one. */
async function nextXid({ database }: Bench): Promise<number> {
  const [row] = await runSql(database.url, "select pg_current_xact_id()::text as xid");
  return Number(row?.["xid"]);
}

function exactly(name: string, wanted: number, reached: number): Target {
  return { name, wanted: String(wanted), reached: `**${reached}**`, met: reached === wanted };
}

const FAST = { nth: 0, tokens: 400, tokensPerSecond: 200 };
/** One every 50 ms, and the last one. */
const PIECES_A_SECOND_MAX = 21;

async function measurePieces(at: Surroundings): Promise<{ text: string; target: Target }> {
  say("pieces of a fast reply");
  const service = await startTurnService(at, at.database.url, { REDIS_URL: at.redisUrl });
  try {
    const [id = ""] = await newConversations(at.database.url, at.seeded.userId, 1);
    const { pieceTimes } = await askService(service, id, FAST);
    const seconds = ((pieceTimes.at(-1) ?? 0) - (pieceTimes[0] ?? 0)) / 1_000;
    const rate = (pieceTimes.length - 1) / seconds;
    return {
      text:
        `A reply at ${FAST.tokensPerSecond} tokens a second reaches its client in ${pieceTimes.length} pieces instead of ` +
        `${FAST.tokens}.`,
      target: {
        name: `pieces a second that a client sees of a reply at ${FAST.tokensPerSecond} tokens/s`,
        wanted: `≤ ${PIECES_A_SECOND_MAX}`,
        reached: `**${rate.toFixed(1)}**`,
        met: rate <= PIECES_A_SECOND_MAX,
      },
    };
  } finally {
    await service.close();
  }
}
