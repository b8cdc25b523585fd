import fc from "fast-check";
import { expect, test } from "vitest";
import { blocksOf, GrowingBlocks } from "../src/markdown/blocks.ts";
import { decodeEntities } from "../src/markdown/entities.ts";
import { safeHref } from "../src/markdown/links.ts";

/** What a model writes, in pieces that join in every way. */
const PIECES = [
  "word ",
  "two words",
  "\n",
  "\n\n",
  "# Heading\n",
  "## Sub\n\n",
  "- item\n",
  "  - deeper\n",
  "1. first\n",
  "   still first\n",
  "> quoted\n",
  "```js\nconst a = 1;\n```\n",
  "```\nopen",
  "    indented\n",
  "| a | b |\n",
  "|---|---|\n",
  "| 1 | 2 |\n",
  "---\n",
  "===\n",
  "**bold**",
  "*it*",
  "**half",
  "`code`",
  "`open",
  "[link](https://example.com)",
  "[half](http",
  "<div>\n",
  "</div>\n",
  "$x$",
  "$$\nx = 1\n$$\n",
  "\\[ y \\]\n",
  "costs $5",
  "- [ ] todo\n",
  "~~gone~~",
  "\r\n",
  "\t",
  "  \n",
  "![a](https://b.c/d.png)",
];
const TEXTS = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => pieces.join(""));

test("a text that came in pieces is read as if it had come at once", () => {
  fc.assert(
    fc.property(TEXTS, fc.array(fc.nat(60), { maxLength: 40 }), (start, steps) => {
      // Closed at the end: what is open there is shown closed while it grows.
      const text = `${start}\n\`\`\`\n\n\`\`\`\n\nThe\n\nend\n`;
      const growing = new GrowingBlocks();
      let length = 0;
      for (const step of steps) growing.read(text.slice(0, (length += step)));
      const grown = growing.read(text).map(({ token, level }) => [token.type, token.raw, level]);
      expect(grown).toEqual(blocksOf(text).map(({ token, level }) => [token.type, token.raw, level]));
    }),
    { numRuns: 3_000 },
  );
});

test("what was settled is not read again", () => {
  const growing = new GrowingBlocks();
  const [first] = growing.read("One.\n\nTwo.\n\nThree.\n\nFo");
  const [again] = growing.read("One.\n\nTwo.\n\nThree.\n\nFour.");
  expect(again?.token).toBe(first?.token);
});

test("no character of a text is lost, whatever it is", () => {
  const bombs = [">", "[", "*", "_", "`", "![", "[a](", "<a ", "~~", "\\", "$", "\\[", "\\(", "&", "|", "#"].map(
    (part) => part.repeat(20_000),
  );
  const nested = [
    Array.from({ length: 2_000 }, (_, depth) => `${" ".repeat(depth)}- a`).join("\n"),
    "> ".repeat(5_000),
    `${"[".repeat(3_000)}a${"]".repeat(3_000)}`,
  ];
  for (const text of [...bombs, ...nested]) {
    const read = blocksOf(text)
      .map(({ token }) => token.raw)
      .join("");
    // Not the whole text in a message of thousands of lines.
    expect(read === text, text.slice(0, 20)).toBe(true);
  }
});

test("half of something is shown as if it were whole", () => {
  const shown = (text: string): string => JSON.stringify(new GrowingBlocks().read(text).map(({ token }) => token));
  expect(shown("some **bol")).toContain('"type":"strong"');
  expect(shown("a `cod")).toContain('"type":"codespan"');
  expect(shown("see [the docs](https://exam")).not.toContain("https");
  expect(shown("costs $5 and")).not.toContain("maths");
});

test.each([
  ["$148 → $19", []],
  ["from $5 to $6", []],
  ["a $ b $ c", []],
  ["$x$", ["x"]],
  ["let $a_1 < b$ be", ["a_1 < b"]],
  ["$a$ and $b$.", ["a", "b"]],
  ["costs $20 ($15 before)", []],
  ["\\$5 and \\$6", []],
  ["$\\$5$", ["\\$5"]],
  ["`$x$` and ``$y$``", []],
  ["```\n$x$ $$y$$\n```", []],
  ["\\(a + b\\)", ["a + b"]],
  ["\\[a + b\\]", ["a + b"]],
  ["$$a + b$$", ["a + b"]],
  ["$$\na\n+ b\n$$", ["a\n+ b"]],
  ["before $$a$$ behind", ["a"]],
  ["$$\n\n$$", []],
  ["$$open", []],
  ["$open", []],
  ["\\(open", []],
  ["**$x$**", ["x"]],
  ["- $x$\n- $y$", ["x", "y"]],
  ["| $x$ |\n|---|\n| $y$ |", ["x", "y"]],
])("in %j the formulas are %j", (text, formulas) => {
  const found: string[] = [];
  JSON.stringify(
    blocksOf(text).map(({ token }) => token),
    (_, value: unknown) => {
      const { type, tex } = (value ?? {}) as { type?: string; tex?: string };
      if (type?.startsWith("maths") === true && tex !== undefined) found.push(tex);
      return value;
    },
  );
  expect(found).toEqual(formulas);
});

test("links lead to the web and to mailboxes, and nowhere else", () => {
  for (const href of ["https://example.com", "HTTP://example.com/a?b#c", "mailto:a@b.co"]) {
    expect(safeHref(href), href).not.toBeNull();
  }
  const others = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    "\u0001javascript:alert(1)",
    " javascript:alert(1)",
    "vbscript:x",
    "data:text/html,x",
    "file:///etc/passwd",
    "blob:https://a/b",
    "//example.com",
    "/settings",
    "relative",
    "#a",
    "",
    "tel:1",
    "ftp://a.b",
    "about:blank",
    "https:// a",
    "http://",
    "view-source:https://a.b",
    "ws://a.b",
  ];
  for (const href of others) expect(safeHref(href), href).toBeNull();
});

test("entities are characters, and what is none stays", () => {
  expect(decodeEntities("a &amp; b &lt;c&gt; &#39;&#x27; &mdash; &nothing; &#0; &#xD800; AT&T;")).toBe(
    "a & b <c> '' — &nothing; \uFFFD \uFFFD AT&T;",
  );
});

test("no level is left out of the headings of a text", () => {
  const levels = (text: string): number[] => blocksOf(text).flatMap(({ level }) => (level === 0 ? [] : [level]));
  expect(levels("#### a\n\n# b\n\n### c\n\n###### d\n\n## e\n")).toEqual([2, 2, 3, 4, 3]);
});
