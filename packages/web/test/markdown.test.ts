import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, type AppStage, POLL, test } from "./app-test.ts";
import { composerOf, expectShown, say } from "./chat-fixture.ts";
import { XSS_CORPUS } from "./xss-corpus.ts";

/** Opens a conversation whose replies are these. */
async function openReplies(stage: AppStage, ...replies: readonly string[]): Promise<Page> {
  const { id } = await stage.services.conversations.createConversation(ADA, { title: "Written in Markdown" });
  await stage.services.conversations.saveMessages(
    ADA,
    id,
    replies.map((content) => ({ role: "assistant", content }) as const),
  );
  const page = await stage.open(`/c/${id}`);
  await page.getByRole("article").last().waitFor();
  return page;
}

/** @returns in how many colours a code is written */
async function coloursOf(code: Locator): Promise<number> {
  return code.evaluate((element) => {
    const parts = [element, ...element.querySelectorAll("span")];
    return new Set(parts.map((part) => getComputedStyle(part).color)).size;
  });
}

test("nothing in a message is run, or asks another server, whatever it says", async ({ stage }) => {
  // Read as one text too: what one of them opens, another may close.
  const texts = [...XSS_CORPUS, XSS_CORPUS.join("\n\n"), XSS_CORPUS.join(" ")];
  const { id } = await stage.services.conversations.createConversation(ADA, { title: XSS_CORPUS[2] ?? "" });
  const page = await stage.open("/");
  await page.evaluate(() => {
    const state = globalThis as unknown as { pwned: () => void; isPwned: boolean };
    state.isPwned = false;
    state.pwned = () => (state.isPwned = true);
  });
  const origin = new URL(page.url()).origin;
  const foreign: string[] = [];
  page.context().on("request", (request) => {
    if (new URL(request.url()).origin !== origin) foreign.push(request.url());
  });
  page.on("dialog", (dialog) => foreign.push(dialog.message()));
  for (const [at, text] of texts.entries()) {
    const messageId = `m${at}`;
    await stage.services.conversations.saveMessages(ADA, id, [
      { id: messageId, role: at % 3 === 2 ? "user" : "assistant", content: text.replaceAll("\u0000", "") },
    ]);
  }
  await page
    .getByRole("link", { name: XSS_CORPUS[2] ?? "" })
    .first()
    .click();
  await page.getByRole("log").getByRole("article").last().waitFor();
  for (const seen = new Set<string>(); seen.size < texts.length;) {
    const messages = await page
      .getByRole("article")
      .evaluateAll((articles) => articles.map((article) => article.getAttribute("data-message-id") ?? ""));
    for (const message of messages) seen.add(message);
    expect(await dangers(page)).toEqual([]);
    await page.getByRole("log").evaluate((log) => log.scrollBy(0, -400));
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  }
  expect(foreign).toEqual([]);
  expect(await page.evaluate(() => (globalThis as unknown as { isPwned: boolean }).isPwned)).toBe(false);
});

/** @returns what no message may put into the page */
async function dangers(page: Page): Promise<string[]> {
  return page.getByRole("log").evaluate((log) => {
    const elements = [...log.querySelectorAll("*")];
    const bad = elements.filter(
      (element) =>
        /^(?:script|iframe|object|embed|link|style|base|meta|form|input|video|audio|source|img)$/i.test(
          element.localName,
        ) ||
        [...element.attributes].some(
          ({ name, value }) => /^on/i.test(name) || /^\s*(?:javascript|data|vbscript):/i.test(value),
        ),
    );
    return bad.map((element) => element.outerHTML.slice(0, 200));
  });
}

test("links open elsewhere and tell nothing; pictures from elsewhere are only named; HTML is text", async ({
  stage,
}) => {
  const page = await openReplies(
    stage,
    "See [the docs](https://example.com/a) or ![A cat](https://example.com/cat.png).\n\n<b>not bold</b>",
  );
  const link = page.getByRole("link", { name: "the docs" });
  expect(await link.getAttribute("rel")).toBe("noopener noreferrer");
  expect(await link.getAttribute("target")).toBe("_blank");
  await page.getByRole("link", { name: "Image: A cat (example.com)" }).waitFor();
  await page.getByText("<b>not bold</b>").waitFor();
  expect(await page.getByRole("log").getByRole("img").count()).toBe(0);
});

test("prices stay prices; formulas are set, and read by screen readers", async ({ stage }) => {
  const page = await openReplies(
    stage,
    "From $148 → $19.\n\nAnd $e^{i\\pi} = -1$, or\n\n$$\\frac{a}{b}$$\n\n$\\nope{$",
  );
  await page.getByText("From $148 → $19.").waitFor();
  const formulas = page.getByRole("log").locator("math");
  await expect.poll(() => formulas.count(), POLL).toBe(2);
  expect(await formulas.first().locator("annotation").textContent()).toBe("e^{i\\pi} = -1");
  await page.getByRole("group", { name: "Formula" }).waitFor();
});

test("code is coloured, copied, and stays plain where its language is not known", async ({ stage }) => {
  const page = await openReplies(
    stage,
    "```python\ndef f(x):\n    return 'a'  # why\n```\n\n```nonesuch\nlet it be\n```",
  );
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await expect.poll(() => coloursOf(page.getByRole("group", { name: "Code, python" })), POLL).toBeGreaterThan(3);
  expect(await coloursOf(page.getByRole("group", { name: "Code, nonesuch" }))).toBe(1);
  await page.getByRole("button", { name: "Copy code" }).first().click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe("def f(x):\n    return 'a'  # why");
});

test("code that takes too long to colour is given up, and the next one is coloured", async ({ stage }) => {
  const { id } = await stage.services.conversations.createConversation(ADA);
  const code = (name: string): string => `\`\`\`python\ndef ${name}(): return "x"\n\`\`\``;
  await stage.services.conversations.saveMessages(ADA, id, [
    { role: "assistant", content: code("first") },
    { role: "assistant", content: code("second") },
  ]);
  const page = await stage.open("/");
  let workers = 0;
  await page.context().route(/highlight-worker/, (route) => {
    workers += 1;
    return workers === 1
      ? route.fulfill({ contentType: "text/javascript", body: "onmessage = () => { for (;;); };" })
      : route.continue();
  });
  await page.goto(`/c/${id}`);
  const codes = page.getByRole("group", { name: "Code, python" });
  await expect
    .poll(async () => (await coloursOf(codes.first())) + (await coloursOf(codes.last())), POLL)
    .toBeGreaterThan(3);
  const plain = Math.min(await coloursOf(codes.first()), await coloursOf(codes.last()));
  expect(plain).toBe(1);
  expect(workers).toBe(2);
});

test("5,000 lines of code are coloured or plain, and the page stays as quick", async ({ stage }) => {
  const short = Array.from({ length: 5_000 }, (_, n) => `x${n} = 1`).join("\n");
  const long = Array.from({ length: 5_000 }, (_, n) => `value_number_${n} = compute(${n}, "text ${n}")`).join("\n");
  expect(short.length).toBeLessThan(60_000);
  expect(long.length).toBeGreaterThan(50_000);
  const page = await openReplies(
    stage,
    `\`\`\`python\n${short.slice(0, 49_000)}\n\`\`\``,
    `\`\`\`python\n${long}\n\`\`\``,
  );
  const last = page.getByRole("group", { name: "Code, python" }).last();
  expect(await coloursOf(last)).toBe(1);
  // Whatever is typed meanwhile is there at once: no task holds the page for long.
  const longest = await page.evaluate(
    () =>
      new Promise<number>((done) => {
        let longest = 0;
        new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
        }).observe({ type: "longtask" });
        const log = document.querySelector('[role="log"]');
        let steps = 0;
        const step = (): void => {
          log?.scrollBy(0, -300);
          steps += 1;
          if (steps < 60) requestAnimationFrame(step);
          else setTimeout(() => done(longest), 100);
        };
        step();
      }),
  );
  expect(longest).toBeLessThan(1_000);
  await composerOf(page).fill("Still here");
  expect(await composerOf(page).inputValue()).toBe("Still here");
  await expect
    .poll(() => coloursOf(page.getByRole("group", { name: "Code, python" }).first()), POLL)
    .toBeGreaterThan(1);
});

test("a reply that streams is bold, code and a list before it is whole, and the same when it is", async ({ stage }) => {
  const page = await stage.open();
  await say(page, "Write");
  const reply = await stage.services.nextReply();
  reply.say("Some **bold");
  await expect.poll(() => page.getByRole("log").locator("strong").allInnerTexts(), POLL).toEqual(["bold"]);
  reply.say("** and\n\n- one\n- two\n\n```js\nlet a");
  await page.getByRole("listitem").filter({ hasText: "two" }).waitFor();
  await expect.poll(() => page.getByRole("group", { name: "Code, js" }).innerText(), POLL).toBe("let a");
  reply.say(" = 1;\n```\n");
  reply.finish();
  await page.getByRole("button", { name: "Send" }).waitFor();
  const before = await page.getByRole("log").locator("[data-message-text]").last().innerText();
  await page.reload();
  await expectShown(page, "Write", before.trim());
  await expect.poll(() => coloursOf(page.getByRole("group", { name: "Code, js" })), POLL).toBeGreaterThan(1);
});
