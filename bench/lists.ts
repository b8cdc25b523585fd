import { encodeConversationCursor } from "../packages/backscroll/src/domain/cursor.ts";
import { listConversationsFrom, listUserConversations } from "../packages/backscroll/src/service/conversations.ts";
import { type Bench, say, USER } from "./bench-context.ts";
import { planCell } from "./growth.ts";
import { explain } from "./plans.ts";
import { msText, ratioText, type Section, table } from "./report.ts";
import { alternate, median, ratio, type Timed } from "./rounds.ts";
import type { Size } from "./seed.ts";

const PAGE_SIZE = 20;

/** Every way of listing conversations. Run soon after a restart: `first` is cold. */
export async function measureLists({ backscroll, seeded, database, effort }: Bench, size: Size): Promise<Section> {
  say("conversation lists: first reads, rounds, plans");
  const { conversations, deps } = backscroll;
  const lastPage = Math.ceil(size.conversations / PAGE_SIZE);
  const list = (options: Parameters<typeof conversations.listUserConversations>[1]) => () =>
    conversations.listUserConversations(USER, { pageSize: PAGE_SIZE, ...options });
  const middle = (
    await conversations.listUserConversations(USER, { page: Math.ceil(lastPage / 2), pageSize: PAGE_SIZE })
  ).conversations.at(-1);
  if (!middle) throw new Error("the list has a middle");
  const cursor = encodeConversationCursor({ pinned: false, updatedAt: middle.updatedAt, id: middle.id });
  const cases: readonly Timed[] = [
    { name: "page 1", run: list({ page: 1 }) },
    { name: `page ${lastPage / 2}`, run: list({ page: lastPage / 2 }) },
    { name: `page ${lastPage}`, run: list({ page: lastPage }) },
    { name: "from the first, by cursor", run: () => listConversationsFrom(deps, seeded.userId, { limit: PAGE_SIZE }) },
    {
      name: "from the middle, by cursor",
      run: () => listConversationsFrom(deps, seeded.userId, { cursor, limit: PAGE_SIZE }),
    },
    { name: "`q` that every fifth title has", run: list({ q: "norway" }) },
    { name: "`q` that none has", run: list({ q: "zebra" }) },
    { name: "archived, page 1", run: list({ archived: true }) },
    { name: "trash, page 1", run: () => conversations.listDeletedConversations(USER, { pageSize: PAGE_SIZE }) },
    {
      name: `trash, page ${lastPage / 5}`,
      run: () => conversations.listDeletedConversations(USER, { page: lastPage / 5, pageSize: PAGE_SIZE }),
    },
    {
      name: "page 1, all active on one day",
      run: () => listUserConversations(deps, seeded.busyUserId, { pageSize: PAGE_SIZE }),
    },
    {
      name: `page ${lastPage}, all active on one day`,
      run: () => listUserConversations(deps, seeded.busyUserId, { page: lastPage, pageSize: PAGE_SIZE }),
    },
  ];
  const first: number[] = [];
  for (const { run } of cases) {
    const startedAt = performance.now();
    await run();
    first.push(performance.now() - startedAt);
  }
  const times = await alternate(cases, effort.blocks);
  const rows: string[][] = [];
  const details = [];
  for (const [index, { name, run }] of cases.entries()) {
    const plans = await explain(database.url, run);
    rows.push([
      name,
      msText(median(times.get(name) ?? [])),
      ratioText(ratio(times, name, "page 1")),
      msText(first[index] ?? Number.NaN),
      planCell(plans),
    ]);
    details.push({ title: `List: ${name}`, text: plans.map(({ text }) => text).join("\n\n") });
  }
  const walk = await walkByCursor({ backscroll, seeded });
  return {
    title: `Lists of ${size.conversations.toLocaleString("en-US")} conversations`,
    text:
      `${table(["", "median", "of page 1", "first after restart", "plan"], rows)}\n\n` +
      `The whole list by cursor: ${walk.conversations} conversations in ${walk.pages} pages of ${PAGE_SIZE}, ${msText(walk.ms / walk.pages)} a page.`,
    details,
  };
}

async function walkByCursor({
  backscroll,
  seeded,
}: Pick<Bench, "backscroll" | "seeded">): Promise<{ conversations: number; pages: number; ms: number }> {
  const startedAt = performance.now();
  let [conversations, pages] = [0, 0];
  for (let cursor: string | undefined; ;) {
    const found = await listConversationsFrom(backscroll.deps, seeded.userId, { cursor, limit: PAGE_SIZE });
    conversations += found.conversations.length;
    pages += 1;
    if (found.nextCursor === null) return { conversations, pages, ms: performance.now() - startedAt };
    cursor = found.nextCursor;
  }
}
