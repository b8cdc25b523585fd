import { type Bench, say, USER } from "./bench-context.ts";
import { openPool, selectRecent } from "./floors.ts";
import { serveHttp, staticApp } from "./http.ts";
import { rateText, ratioText, type Section, table } from "./report.ts";
import { inProcess, interleave, median, ratio } from "./rounds.ts";

const LIMIT = 20;
const ROWS = "bare `pg`, rows";
const TEXT = "bare `pg`, rows to JSON";
const LIBRARY = "library, `getRecentMessages`";
const HTTP = `HTTP, \`GET …/messages?limit=${LIMIT}\``;
const STATIC = "HTTP, a static answer of the same bytes";

/** The newest messages of the largest conversation against floors. */
export async function measureReads({ database, backscroll, seeded, effort }: Bench): Promise<Section> {
  const { userId, largeId } = seeded;
  const pool = openPool(database.url, backscroll.config.databasePoolMax);
  const http = await serveHttp(backscroll.fetch);
  const path = `/api/conversations/${largeId}/messages?limit=${LIMIT}`;
  const body = await http.get(path);
  const empty = await serveHttp(staticApp(body, 200).fetch);
  try {
    const floor = { userId, conversationId: largeId, limit: LIMIT };
    const get = { method: "GET", paths: [path], body: null, expectedStatus: 200 } as const;
    const subjects = [
      inProcess(ROWS, () => selectRecent(pool, floor)),
      inProcess(TEXT, async () => JSON.stringify(await selectRecent(pool, floor))),
      inProcess(LIBRARY, () => backscroll.conversations.getRecentMessages(USER, largeId, { limit: LIMIT })),
      http.subject(HTTP, get),
      empty.subject(STATIC, get),
    ];
    const rows: string[][] = [];
    for (const concurrency of effort.concurrencies) {
      say(`reads, ${concurrency}`);
      const rates = await interleave(subjects, { ...effort, concurrency });
      for (const [name, values] of rates) {
        rows.push([
          String(concurrency),
          name,
          name === ROWS || name === STATIC ? "" : ratioText(ratio(rates, name, ROWS)),
          name === HTTP ? ratioText(ratio(rates, name, STATIC)) : "",
          rateText(median(values)),
        ]);
      }
    }
    return {
      title: `Recent ${LIMIT}`,
      text: `${Buffer.byteLength(body).toLocaleString("en-US")} bytes an answer, from PostgreSQL each time: this service has no cache.\n\n${table(
        ["concurrency", "", "of bare `pg`", "of the static answer", "median"],
        rows,
      )}`,
    };
  } finally {
    await Promise.all([pool.end(), http.close(), empty.close()]);
  }
}
