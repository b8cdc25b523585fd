import { expect } from "vitest";
import { XSS_CORPUS } from "../../web/test/xss-corpus.ts";
import { bearer, startAuthenticated } from "./authenticated-services.ts";
import { test as withServices } from "./services.ts";

const ADA = "ada@example.com";

withServices("450 messages are three pages, in order, with nothing missing and nothing twice", async ({ services }) => {
  const { conversations } = services;
  const { id } = await conversations.createConversation(ADA, { title: "A long talk" });
  for (let from = 1; from <= 450; from += 50) {
    const messages = Array.from({ length: 50 }, (_, n) => ({ role: "user", content: `Message ${from + n}.` }) as const);
    await conversations.saveMessages(ADA, id, messages);
  }
  const pages = await Promise.all(
    ["", "?page=2", "?page=3", "?page=4"].map((query) => services.call(ADA, "GET", `/c/${id}/plain${query}`)),
  );
  const numbers = pages.map(({ text }) => [...text.matchAll(/Message (\d+)\./g)].map(([, n]) => Number(n)));
  expect(numbers.map(({ length }) => length)).toEqual([200, 200, 50, 0]);
  expect(numbers.flat()).toEqual(Array.from({ length: 450 }, (_, n) => n + 1));
  expect(links(pages[0])).toEqual(["Newer ?page=2", "Last ?page=3"]);
  expect(links(pages[1])).toEqual(["First ?page=1", "Older ?page=1", "Newer ?page=3", "Last ?page=3"]);
  expect(links(pages[2])).toEqual(["First ?page=1", "Older ?page=2"]);
  expect(links(pages[3])).toEqual(["First ?page=1", "Older ?page=3"]);
});

function links(page: { readonly text: string } | undefined): string[] {
  const [first = ""] = /<nav aria-label="Pages">[^]*?<\/nav>/.exec(page?.text ?? "") ?? [];
  return [...first.matchAll(/<a href="[^"?]*(\?[^"]*)">(\w+)<\/a>/g)].map(([, query, name]) => `${name} ${query}`);
}

withServices(
  "nothing of a message or a title becomes HTML; nothing is loaded, and no script runs",
  async ({ services }) => {
    const { conversations } = services;
    const { id } = await conversations.createConversation(ADA, { title: "</title><script>pwned()</script>" });
    const texts = XSS_CORPUS.map((text) => text.replaceAll("\u0000", ""));
    await conversations.saveMessages(
      ADA,
      id,
      texts.map((content) => ({ role: "assistant", content }) as const),
    );
    const { status, headers, text } = await services.call(ADA, "GET", `/c/${id}/plain`);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/html; charset=UTF-8");
    expect(headers.get("cache-control")).toMatch(/^no-store/);
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(policy).not.toContain("unsafe");
    const tags = new Set([...text.matchAll(/<([a-z][a-z0-9]*)/gi)].map(([, tag = ""]) => tag));
    expect([...tags].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      "a",
      "article",
      "body",
      "h1",
      "h2",
      "head",
      "header",
      "html",
      "main",
      "meta",
      "p",
      "style",
      "time",
      "title",
    ]);
    expect(text).not.toMatch(/<[^>]*\s(?:on\w+|src|style)=/i);
  },
);

withServices("how a reply ended, that it was edited, and what is no text is said", async ({ services }) => {
  const { conversations } = services;
  const { id } = await conversations.createConversation(ADA, { title: "Endings" });
  await conversations.saveMessages(ADA, id, [
    { id: "q", role: "user", content: "One\n  two" },
    { role: "assistant", content: "Half", status: "interrupted" },
    { role: "assistant", content: "", parts: [{ type: "tool-call", toolName: "look" }] },
  ]);
  await conversations.editMessage(ADA, id, "q", { content: "One\n  three" });
  const { text } = await services.call(ADA, "GET", `/c/${id}/plain`);
  expect(text).toContain("One\n  three");
  expect(text).toContain("· edited");
  expect(text).toContain("Interrupted");
  expect(text).toContain("&quot;toolName&quot;: &quot;look&quot;");
});

withServices("what is not there, and a page that is none, are said on a page", async ({ services }) => {
  const { conversations } = services;
  const { id } = await conversations.createConversation("bob@example.com", { title: "Bob's" });
  for (const path of [`/c/${id}/plain`, "/c/missing/plain"]) {
    const { status, text, headers } = await services.call(ADA, "GET", path);
    expect([status, headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
    expect(text).toContain("No such conversation");
    expect(text).not.toContain("Bob's");
  }
  const { id: own } = await conversations.createConversation(ADA);
  for (const page of ["0", "-1", "x", "1.5", "99999999999"]) {
    const { status, text } = await services.call(ADA, "GET", `/c/${own}/plain?page=${page}`);
    expect(status, page).toBe(400);
    expect(text).toContain("must be a whole number from 1");
  }
});

withServices("who has not said who they are is led to the login", async () => {
  const { services, send, newKey } = await startAuthenticated();
  const { id } = await services.conversations.createConversation(ADA, { title: "Mine" });
  const refused = await send("GET", `/c/${id}/plain`);
  expect(refused.status).toBe(401);
  expect(refused.text).toContain('<a href="/">');
  expect(refused.text).not.toContain("Mine");
  const shown = await send("GET", `/c/${id}/plain`, bearer((await newKey(ADA)).secret));
  expect([shown.status, shown.text.includes("Mine")]).toEqual([200, true]);
});

withServices(
  "an address where nothing is, is a page for a browser, and a problem for a program",
  async ({ services }) => {
    const browser = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    for (const path of ["/nonsense", "/c", "/assets/none.js"]) {
      const page = await services.call(ADA, "GET", path, undefined, browser);
      expect(page.status, path).toBe(404);
      expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
      expect(page.text).toContain("<h1>Nothing is here</h1>");
      expect(page.text).toContain('<a href="/">Open Backscroll</a>');
      const problem = await services.call(ADA, "GET", path);
      expect([problem.status, problem.json?.code], path).toEqual([404, "route_not_found"]);
    }
    const api = await services.call(ADA, "GET", "/api/nonsense", undefined, browser);
    expect([api.status, api.json?.code]).toEqual([404, "route_not_found"]);
    // What to set is said to whoever looks at it in a browser first.
    const metrics = await services.call(ADA, "GET", "/metrics", undefined, browser);
    expect(metrics.text).toContain("set METRICS_TOKEN to read the metrics");
  },
);
