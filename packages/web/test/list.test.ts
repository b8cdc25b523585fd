import type { Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, DESKTOP, PHONE, POLL, test } from "./app-test.ts";
import { givenConversation, givenMany, linesOf, listOf, rowOf } from "./list-fixture.ts";

/** What the service needs in a browser's console when a test breaks its answers. */
const BROKEN = /status of 500/;
const MONTH = new Intl.DateTimeFormat("en", { month: "long", year: "numeric" });

test("conversations stand under the day, week or month of their last activity; pinned ones above", async ({
  stage,
}) => {
  const now = new Date();
  const old = new Date(now.getFullYear() - 1, now.getMonth(), 10);
  for (const [title, daysAgo] of [
    ["Of last year", (now.getTime() - old.getTime()) / 86_400_000],
    ["Of three weeks ago", 21],
    ["Of the week", 5],
    ["Of yesterday", 1],
    ["Of today", 0],
  ] as const)
    await givenConversation(stage, title, daysAgo);
  const pinned = await givenConversation(stage, "Kept in sight", 9);
  await stage.services.conversations.updateConversation(ADA, pinned, { pinned: true });
  const page = await stage.open();
  await rowOf(page, "Of today").waitFor();
  expect(await linesOf(page)).toEqual([
    "Pinned",
    "Kept in sight",
    "Today",
    "Of today",
    "Yesterday",
    "Of yesterday",
    "Previous 7 days",
    "Of the week",
    "Previous 30 days",
    "Of three weeks ago",
    MONTH.format(old),
    "Of last year",
  ]);
});

test("without a conversation the list says so", async ({ stage }) => {
  const page = await stage.open();
  await page.getByText("No conversations yet.").waitFor();
});

test("the conversation that is open is marked", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "Trip to Oslo");
  const page = await stage.open(`/c/${id}`);
  await rowOf(page, "Trip to Rome").waitFor();
  expect(await rowOf(page, "Trip to Rome").getAttribute("aria-current")).toBe("page");
  await rowOf(page, "Trip to Oslo").click();
  await expect.poll(() => rowOf(page, "Trip to Oslo").getAttribute("aria-current"), POLL).toBe("page");
  expect(await rowOf(page, "Trip to Rome").getAttribute("aria-current")).toBeNull();
});

test("5,000 conversations scroll to the last one, none missing and none twice", async ({ stage }) => {
  await givenMany(stage, 5_000);
  const page = await stage.open();
  await rowOf(page, "Conversation 0").waitFor();
  const seen = new Map<string, number>();
  await expect
    .poll(
      async () => {
        for (const { title, position } of await positionsOf(page)) seen.set(title, position);
        await scrollOn(page);
        return seen.size;
      },
      { timeout: 60_000, interval: 0 },
    )
    .toBe(5_000);
  expect(new Set(seen.values()).size).toBe(5_000);
  expect(await listOf(page).getByRole("listitem").count()).toBeLessThan(80);
  await rowOf(page, "Conversation 4999").waitFor();
}, 90_000);

test("5,000 conversations are shown within 200 ms of the service's answer", async ({ stage }) => {
  await givenMany(stage, 5_000);
  const page = await stage.open("/settings");
  await rowOf(page, "Conversation 0").waitFor();
  const times: number[] = [];
  for (let run = 0; run < 3; run += 1) {
    await page.reload();
    await rowOf(page, "Conversation 0").waitFor();
    times.push(
      await page.evaluate(() => {
        const [answer] = performance
          .getEntriesByType("resource")
          .filter(({ name }) => name.includes("/api/conversations?")) as PerformanceResourceTiming[];
        const shown = document.querySelector("[data-conversation]") === null ? Number.NaN : performance.now();
        return shown - (answer?.requestStart ?? Number.NaN);
      }),
    );
  }
  expect(Math.min(...times)).toBeLessThan(200);
}, 60_000);

test("what comes in above does not move what is being read; at the top it is seen", async ({ stage }) => {
  await givenMany(stage, 300);
  const page = await stage.open("/settings");
  await rowOf(page, "Conversation 0").waitFor();
  await givenConversation(stage, "Seen at once");
  await expect.poll(async () => (await rowOf(page, "Seen at once").boundingBox())?.y ?? 0, POLL).toBeGreaterThan(100);
  await scrollOn(page);
  const read = rowOf(page, "Conversation 30");
  const before = (await read.boundingBox())?.y;
  await givenConversation(stage, "Above");
  const positionOf = async (): Promise<string | null | undefined> =>
    read.evaluate((link) => link.closest("li")?.getAttribute("aria-posinset"));
  await expect.poll(positionOf, POLL).toBe("33");
  expect((await read.boundingBox())?.y).toBe(before);
});

test("a list that cannot be read says so, and is read by Retry", async ({ stage }) => {
  stage.forgive(BROKEN);
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  // When the change feed begins, the list is read again: it must not get to it before Retry does.
  await page.route("**/api/events", () => undefined);
  await page.route(/\/api\/conversations\?/, (route) => route.fulfill({ status: 500, body: "{}" }));
  await page.reload();
  const failure = page.getByRole("alert").filter({ hasText: "Couldn't load conversations." });
  await failure.waitFor();
  await page.unroute(/\/api\/conversations\?/);
  await failure.getByRole("button", { name: "Retry" }).click();
  await rowOf(page, "Trip to Rome").waitFor();
});

test("a page that cannot be read is never taken for the end: Retry goes on", async ({ stage }) => {
  stage.forgive(BROKEN);
  await givenMany(stage, 150);
  const page = await stage.open("/settings");
  await page.route(/\/api\/conversations\?.*cursor=/, (route) => route.fulfill({ status: 500, body: "{}" }));
  await page.reload();
  await rowOf(page, "Conversation 0").waitFor();
  const failure = page.getByRole("alert").filter({ hasText: "Couldn't load more conversations." });
  await expect
    .poll(async () => {
      await scrollOn(page);
      return failure.count();
    }, POLL)
    .toBe(1);
  await page.unroute(/\/api\/conversations\?.*cursor=/);
  await failure.getByRole("button", { name: "Retry" }).click();
  await expect
    .poll(async () => {
      await scrollOn(page);
      return rowOf(page, "Conversation 149").count();
    }, POLL)
    .toBe(1);
});

test("a conversation whose reply is being written has a dot until it is written", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  await rowOf(page, "Trip to Rome").waitFor();
  // What the page has heard from the feed, that is open.
  await stage.services.conversations.updateConversation(ADA, id, { title: "Trip to Oslo" });
  await rowOf(page, "Trip to Oslo").waitFor();
  const turn = stage.services.call(ADA, "POST", "/api/conversations/messages", {
    message: "Where to eat?",
    conversation_id: id,
  });
  const reply = await stage.services.nextReply();
  const dot = listOf(page).getByRole("img", { name: "A reply is being written" });
  await dot.waitFor();
  reply.say("In Grünerløkka.");
  reply.finish();
  await turn;
  await dot.waitFor({ state: "detached" });
});

test("whether the service can be reached is said below the list", async ({ stage }) => {
  stage.forgive(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED/);
  const page = await stage.open("/settings");
  await page.getByText("Connected", { exact: true }).waitFor();
  await page.context().setOffline(true);
  await page.getByText("Offline", { exact: true }).waitFor();
  await page.context().setOffline(false);
  await page.getByText("Connected", { exact: true }).waitFor();
});

test("admins see that the service is without its cache", async ({ stage }) => {
  const page = await stage.open("/settings");
  await page.getByText("Connected", { exact: true }).waitFor();
  const degraded = { status: "degraded", postgres: "ok", cache: "unavailable" };
  await page.route("/readyz", (route) => route.fulfill({ json: degraded }));
  await page.reload();
  await page.getByText("Redis unavailable: slower, nothing lost").waitFor();
});

test("logging out forgets what the browser kept, and asks who comes next", async ({ stage }) => {
  stage.forgive(/status of 401/);
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  // The service of this test has no login: its part is played here.
  let isLoggedIn = true;
  await page.route("/api/me", async (route) => {
    if (!isLoggedIn) return route.fulfill({ status: 401, json: { code: "unauthenticated", detail: "log in" } });
    const me = await (await route.fetch()).json();
    return route.fulfill({ json: { ...me, logged_in: true } });
  });
  await page.route("/api/logout", (route) => {
    isLoggedIn = false;
    return route.fulfill({ json: {} });
  });
  await page.evaluate(() => {
    localStorage.setItem("backscroll.draft.1", "secret");
    localStorage.setItem("backscroll.theme", "dark");
  });
  await page.reload();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to Backscroll" }).waitFor();
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(["backscroll.theme"]);
  expect(await page.getByText("Trip to Rome").count()).toBe(0);
});

test("nothing is wider than the page: 320 px, and titles without a space", async ({ stage }) => {
  const long = "W".repeat(300);
  const id = await givenConversation(stage, long);
  const page = await stage.open(`/c/${id}`, { viewport: { width: 320, height: 640 } });
  expect(await overflowOf(page)).toEqual([]);
  await page.getByRole("button", { name: "Conversations" }).click();
  await rowOf(page, long).waitFor();
  expect(await overflowOf(page)).toEqual([]);
  await page.keyboard.press("Escape");
  for (const viewport of [PHONE, { width: 768, height: 900 }, DESKTOP]) {
    await page.setViewportSize(viewport);
    expect(await overflowOf(page)).toEqual([]);
  }
});

async function scrollOn(page: Page): Promise<void> {
  await listOf(page).evaluate(async (list) => {
    list.parentElement?.scrollBy(0, 1000);
    // What is in sight then is drawn with the frame after the next.
    for (let frames = 0; frames < 2; frames += 1) await new Promise(requestAnimationFrame);
  });
}

async function positionsOf(page: Page): Promise<{ title: string; position: number }[]> {
  return listOf(page).evaluate((list) =>
    [...list.querySelectorAll("li[aria-posinset]")].map((row) => ({
      title: row.textContent ?? "",
      position: Number(row.getAttribute("aria-posinset")),
    })),
  );
}

/** @returns what is wider than its place and can be scrolled sideways, or makes the page so */
async function overflowOf(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll("*")]
      .filter((element) => {
        const { overflowX } = getComputedStyle(element);
        const isScroller = overflowX === "auto" || overflowX === "scroll" || element === document.documentElement;
        return isScroller && element.scrollWidth > element.clientWidth;
      })
      .map(({ outerHTML }) => outerHTML.slice(0, 100)),
  );
}
