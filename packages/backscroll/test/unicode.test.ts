import fc from "fast-check";
import { expect } from "vitest";
import { expectProblem } from "./problem.ts";
import { type Answer, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const SAVE = "/api/conversations/c/messages";

const TEXTS: Record<string, string> = {
  nothing: "",
  "a family joined by ZWJ": "👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
  "right to left": "שלום עולם \u202eمرحبا\u202c",
  "Chinese, Japanese and Korean": "汉字 日本語 한국어 𠮷𠮾",
  "combining marks, not composed": "e\u0301 Z̸̢͎ A\u030a",
  "both ways to write é": "é e\u0301",
  "the last characters": "\uffff\ufffe\u{10ffff}\u{1f}\u0001\u007f\u0080",
  "a byte order mark": "\ufefftext\ufeff",
  "line ends of every kind": "a\r\nb\rc\nd\u2028e\u2029f\u0085g\v\f",
  "tabs and spaces at the ends": " \t text \t ",
  JSON: '{"role":"user","content":"\\u0000 \\ud800"}',
  "quotes and backslashes": '"\'\\\\\\" $1 %s ${x} \\n',
  SQL: "'; drop table messages; --",
  "replacement characters": "\ufffd\ufffd",
};

async function ok(answer: Promise<Answer>): Promise<Answer> {
  const { status, text } = await answer;
  expect(status, text.slice(0, 300)).toBeLessThan(300);
  return answer;
}

async function begin(services: Services): Promise<void> {
  await ok(services.call(ADA, "POST", "/api/conversations", { id: "c", title: "t" }));
}

/** Reads one person's messages by every way there is, and expects these texts. */
async function expectTexts(services: Services, user: string, texts: readonly string[]): Promise<void> {
  const read = async (query: string): Promise<string[]> =>
    (await ok(services.call(user, "GET", `${SAVE}?${query}`))).json.messages.map(
      ({ content }: { content: string }) => content,
    );
  expect((await read("limit=200")).toReversed()).toEqual(texts);
  expect(await read("page=1&page_size=200")).toEqual(texts);
  expect(await read("page=1&page_size=200&fields=content")).toEqual(texts);
}

test("every text survives saving, reading, editing, exporting and importing, character for character", async ({
  services,
}) => {
  await begin(services);
  const texts = Object.values(TEXTS);
  for (const [i, content] of texts.entries()) {
    const { json } = await ok(
      services.call(ADA, "POST", SAVE, {
        id: `m${i}`,
        role: "user",
        content,
        metadata: { [content]: [content] },
        parts: [{ type: content, [content]: content }],
      }),
    );
    expect(json.content).toBe(content);
    expect(json.metadata).toEqual({ [content]: [content] });
    expect(json.parts[0]).toEqual({ type: content, [content]: content });
  }
  await expectTexts(services, ADA, texts);
  const { text } = await ok(services.call(ADA, "GET", "/api/conversations/c/export"));
  expect((await ok(services.call(BOB, "POST", "/api/import", text))).json).toMatchObject({
    messages: { saved: texts.length },
    failed: 0,
  });
  await expectTexts(services, BOB, texts);

  for (const i of texts.keys()) await ok(services.call(ADA, "PATCH", `${SAVE}/m${i}`, { content: texts.at(i - 1) }));
  await expectTexts(
    services,
    ADA,
    texts.map((_, i) => texts.at(i - 1) ?? ""),
  );
});

test("titles and models survive too, and are found again", async ({ services }) => {
  await begin(services);
  for (const [what, title] of Object.entries(TEXTS).filter(([, text]) => text.trim() !== "")) {
    const { json } = await ok(services.call(ADA, "PATCH", "/api/conversations/c", { title }));
    expect(json.title, what).toBe(title);
    const found = await ok(services.call(ADA, "GET", `/api/conversations?q=${encodeURIComponent(title)}`));
    expect(
      found.json.conversations.map(({ conversation_id }: { conversation_id: string }) => conversation_id),
      what,
    ).toEqual(["c"]);
    expect(
      (await ok(services.call(ADA, "POST", SAVE, { role: "assistant", content: "x", model: title }))).json.model,
    ).toBe(title);
  }
});

test("any text at all survives from one person's save to another's reading", async ({ services }) => {
  const storable = fc
    .oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.string({ unit: "grapheme", maxLength: 30 }),
      fc.string({ unit: "grapheme-composite" }),
    )
    .map((text) => text.replaceAll("\0", "").toWellFormed());
  await begin(services);
  const kept: string[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(storable, { minLength: 1, maxLength: 5 }), async (texts) => {
      const messages = texts.map((content) => ({ role: "user", content }));
      const { json } = await ok(services.call(ADA, "POST", SAVE, { messages }));
      expect(json.messages.map(({ content }: { content: string }) => content)).toEqual(texts);
      kept.push(...texts);
    }),
    { numRuns: 40 },
  );
  await expectTexts(services, ADA, kept.slice(0, 200));
  const { text } = await ok(services.call(ADA, "GET", "/api/conversations/c/export"));
  await ok(services.call(BOB, "POST", "/api/import", text));
  await expectTexts(services, BOB, kept.slice(0, 200));
});

test("a megabyte in one line, in empty lines, in emoji and in what JSON escapes survives", async ({ services }) => {
  await begin(services);
  const texts = [
    "x".repeat(1_048_576),
    "\n".repeat(1_048_576),
    "🦜".repeat(262_144),
    "\u0001".repeat(1_048_576),
    '"\\'.repeat(524_288),
  ];
  for (const content of texts) await ok(services.call(ADA, "POST", SAVE, { role: "user", content }));
  const { json } = await ok(services.call(ADA, "GET", `${SAVE}?page=1`));
  expect(json.messages.map(({ content }: { content: string }, i: number) => content === texts[i])).toEqual(
    texts.map(() => true),
  );
  const { text } = await ok(services.call(ADA, "GET", "/api/conversations/c/export"));
  expect((await ok(services.call(BOB, "POST", "/api/import", text))).json).toMatchObject({
    messages: { saved: texts.length },
    failed: 0,
  });
  const read = await ok(services.call(BOB, "GET", `${SAVE}?limit=10`));
  expect(
    read.json.messages.toReversed().map(({ content }: { content: string }, i: number) => content === texts[i]),
  ).toEqual(texts.map(() => true));
}, 60_000);

test("NUL and half characters are refused wherever a text goes, with the field named", async ({ services }) => {
  await begin(services);
  await ok(services.call(ADA, "POST", SAVE, { id: "m", role: "user", content: "x" }));
  const places: [method: string, path: string, body: (text: string) => object, blamed: string][] = [
    ["POST", SAVE, (text) => ({ role: "user", content: text }), "content"],
    [
      "POST",
      SAVE,
      (text) => ({
        messages: [
          { role: "user", content: "x" },
          { role: "user", content: text },
        ],
      }),
      "messages.1.content",
    ],
    ["POST", SAVE, (text) => ({ role: "user", content: "x", model: text }), "model"],
    ["POST", SAVE, (text) => ({ role: "user", content: "x", id: text }), "id"],
    ["POST", SAVE, (text) => ({ role: "user", content: "x", metadata: { [text]: 1 } }), "metadata"],
    ["POST", SAVE, (text) => ({ role: "user", content: "x", metadata: { a: [{ b: text }] } }), "metadata"],
    ["POST", SAVE, (text) => ({ role: "user", content: "x", parts: [{ type: text }] }), "parts"],
    ["POST", SAVE, (text) => ({ role: "user", content: "x", parts: [{ type: "x", x: { [text]: 1 } }] }), "parts"],
    ["PATCH", `${SAVE}/m`, (text) => ({ content: text }), "content"],
    ["POST", "/api/conversations", (text) => ({ title: text }), "title"],
    ["POST", "/api/conversations", (text) => ({ metadata: { a: text } }), "metadata"],
    ["PATCH", "/api/conversations/c", (text) => ({ title: text }), "title"],
    ["PATCH", "/api/conversations/c", (text) => ({ metadata: { [text]: null } }), "metadata"],
    ["POST", "/api/conversations/messages", (text) => ({ message: text }), "content"],
  ];
  const before = (await services.call(ADA, "GET", "/api/conversations")).text;
  for (const bad of ["\u0000", "a\u0000b", "\ud800", "\udc00", "a\ud83d", "\udc00\ud800"]) {
    for (const [method, path, body, blamed] of places) {
      const answer = await services.call(ADA, method, path, body(bad));
      expectProblem(answer, "invalid_request");
      expect(answer.json.errors[0].path, `${method} ${path}`).toBe(blamed);
      expect(answer.json.detail).not.toContain(bad);
    }
  }
  expectProblem(await services.call(ADA, "GET", "/api/conversations?q=a%00b"), "invalid_request");
  expect((await services.call(ADA, "GET", "/api/conversations")).text).toBe(before);
});
