import type { ConversationService as Service } from "../packages/backscroll/src/service/conversation-service.ts";
import { createAppender } from "../packages/backscroll/src/service/appender.ts";
import { ConversationService } from "../packages/backscroll/src/service/conversation-service.ts";
import { type Bench, CONTENT, say, USER } from "./bench-context.ts";
import { appendByStatement, appendInTransaction, openPool } from "./floors.ts";
import { type HttpBench, serveHttp, staticApp } from "./http.ts";
import { atLeast, rateText, ratioText, type Section, table } from "./report.ts";
import { inProcess, interleave, median, type Rates, ratio, type Subject } from "./rounds.ts";
import { newConversations } from "./seed.ts";

const FLOOR = "bare `pg`, one statement";
const TRANSACTION = "bare `pg`, two statements in a transaction";
const LIBRARY = "library, `saveMessage`";
const ALONE = "library, `APPEND_BATCHING=off`";
const HTTP = "HTTP, `POST …/messages`";
const STATIC = "HTTP, a static answer of the same bytes";

/** Appends against floors: a conversation of its own for each worker, and one that all of them write to. */
export async function measureAppends(bench: Bench): Promise<Section> {
  const { database, backscroll, effort } = bench;
  const pool = openPool(database.url, backscroll.config.databasePoolMax);
  const http = await serveHttp(backscroll.fetch);
  const [sample = ""] = await newConversations(database.url, bench.seeded.userId, 1);
  const answer = JSON.stringify(
    await backscroll.conversations.saveMessage(USER, sample, { role: "user", content: CONTENT }),
  );
  const empty = await serveHttp(staticApp(answer, 201).fetch);
  try {
    const rows: string[][] = [];
    const targets = [];
    for (const { name, concurrency, conversations } of workloads(effort.concurrencies)) {
      say(`appends, ${name}`);
      // Each subject writes to its own: none waits for another's locks or dead rows.
      const subjectsFor = async (make: (ids: readonly string[]) => Subject): Promise<Subject> =>
        make(await newConversations(database.url, bench.seeded.userId, conversations));
      const floorAppend = (ids: readonly string[], worker: number) => ({
        userId: bench.seeded.userId,
        conversationId: ids[worker % ids.length] ?? "",
        content: CONTENT,
      });
      const unbatched = new ConversationService({
        ...backscroll.deps,
        appender: createAppender(backscroll.deps.db, { batching: false }),
      });
      const rates = await interleave(
        [
          await subjectsFor((ids) => inProcess(FLOOR, (worker) => appendByStatement(pool, floorAppend(ids, worker)))),
          await subjectsFor((ids) => inProcess(LIBRARY, saving(backscroll.conversations, ids))),
          await subjectsFor((ids) => inProcess(ALONE, saving(unbatched, ids))),
          await subjectsFor((ids) => httpAppend(http, HTTP, ids)),
          await subjectsFor((ids) =>
            inProcess(TRANSACTION, (worker) => appendInTransaction(pool, floorAppend(ids, worker))),
          ),
          await subjectsFor((ids) => httpAppend(empty, STATIC, ids)),
        ],
        { ...effort, concurrency },
      );
      rows.push(...rowsOf(name, rates));
      if (name === "16")
        targets.push(
          atLeast("append over the library at concurrency 16, of bare `pg`", 0.8, ratio(rates, LIBRARY, FLOOR)),
        );
    }
    return {
      title: "Append",
      text: table(["concurrency", "", "of bare `pg`", "of the static answer", "median"], rows),
      targets,
    };
  } finally {
    await Promise.all([pool.end(), http.close(), empty.close()]);
  }
}

function workloads(concurrencies: readonly number[]): { name: string; concurrency: number; conversations: number }[] {
  return [
    ...concurrencies.map((concurrency) => ({ name: String(concurrency), concurrency, conversations: concurrency })),
    { name: "16, one conversation", concurrency: 16, conversations: 1 },
  ];
}

function rowsOf(name: string, rates: Rates): string[][] {
  return [...rates].map(([subject, values]) => [
    name,
    subject,
    subject === FLOOR || subject === STATIC ? "" : ratioText(ratio(rates, subject, FLOOR)),
    subject === HTTP ? ratioText(ratio(rates, subject, STATIC)) : "",
    rateText(median(values)),
  ]);
}

function saving(service: Service, ids: readonly string[]): (worker: number) => Promise<unknown> {
  return (worker) => service.saveMessage(USER, ids[worker % ids.length] ?? "", { role: "user", content: CONTENT });
}

function httpAppend(http: HttpBench, name: string, ids: readonly string[]): Subject {
  return http.subject(name, {
    method: "POST",
    paths: ids.map((id) => `/api/conversations/${id}/messages`),
    body: JSON.stringify({ role: "user", content: CONTENT }),
    expectedStatus: 201,
  });
}

const IN_FLIGHT = [1, 2, 4] as const;

function nameOf(inFlight: number): string {
  return `${inFlight} in flight`;
}

/** How many batches of appends should be under way at once: the constant in `service/appender.ts`. */
export async function measureBatchesInFlight({ database, backscroll, seeded, effort }: Bench): Promise<Section> {
  const rows: string[][] = [];
  for (const { name, concurrency, conversations } of workloads(effort.concurrencies.filter((n) => n > 1))) {
    say(`batches in flight, ${name}`);
    const subjects = await Promise.all(
      IN_FLIGHT.map(async (inFlight) => {
        const service = new ConversationService({
          ...backscroll.deps,
          appender: createAppender(backscroll.deps.db, { batching: true, batchesInFlight: inFlight }),
        });
        const ids = await newConversations(database.url, seeded.userId, conversations);
        return inProcess(nameOf(inFlight), saving(service, ids));
      }),
    );
    const rates = await interleave(subjects, { ...effort, concurrency });
    rows.push([
      name,
      rateText(median(rates.get(nameOf(1)) ?? [])),
      ...IN_FLIGHT.slice(1).map((inFlight) => ratioText(ratio(rates, nameOf(inFlight), nameOf(1)))),
    ]);
  }
  return {
    title: "Batches in flight",
    text: table(
      ["concurrency", nameOf(1), ...IN_FLIGHT.slice(1).map((inFlight) => `${nameOf(inFlight)}, of one`)],
      rows,
    ),
  };
}
