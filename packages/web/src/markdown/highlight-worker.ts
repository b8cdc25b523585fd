import hljs from "highlight.js/lib/core";
import type { LanguageFn } from "highlight.js";
import type { CodePiece } from "./code-pieces.ts";
import type { HighlightAnswer, HighlightRequest } from "./highlight.ts";

type Load = () => Promise<{ readonly default: LanguageFn }>;

/** Each is loaded when a code of it is seen. */
const LANGUAGES: Readonly<Record<string, Load>> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  csharp: () => import("highlight.js/lib/languages/csharp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  dockerfile: () => import("highlight.js/lib/languages/dockerfile"),
  go: () => import("highlight.js/lib/languages/go"),
  graphql: () => import("highlight.js/lib/languages/graphql"),
  haskell: () => import("highlight.js/lib/languages/haskell"),
  ini: () => import("highlight.js/lib/languages/ini"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  kotlin: () => import("highlight.js/lib/languages/kotlin"),
  latex: () => import("highlight.js/lib/languages/latex"),
  lua: () => import("highlight.js/lib/languages/lua"),
  makefile: () => import("highlight.js/lib/languages/makefile"),
  markdown: () => import("highlight.js/lib/languages/markdown"),
  nginx: () => import("highlight.js/lib/languages/nginx"),
  perl: () => import("highlight.js/lib/languages/perl"),
  php: () => import("highlight.js/lib/languages/php"),
  powershell: () => import("highlight.js/lib/languages/powershell"),
  python: () => import("highlight.js/lib/languages/python"),
  r: () => import("highlight.js/lib/languages/r"),
  ruby: () => import("highlight.js/lib/languages/ruby"),
  rust: () => import("highlight.js/lib/languages/rust"),
  scala: () => import("highlight.js/lib/languages/scala"),
  scss: () => import("highlight.js/lib/languages/scss"),
  shell: () => import("highlight.js/lib/languages/shell"),
  sql: () => import("highlight.js/lib/languages/sql"),
  swift: () => import("highlight.js/lib/languages/swift"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};
const ALIASES: Readonly<Record<string, string>> = {
  sh: "bash",
  zsh: "bash",
  console: "shell",
  "c++": "cpp",
  cc: "cpp",
  h: "c",
  hpp: "cpp",
  "c#": "csharp",
  cs: "csharp",
  patch: "diff",
  docker: "dockerfile",
  golang: "go",
  gql: "graphql",
  hs: "haskell",
  toml: "ini",
  js: "javascript",
  jsx: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  jsonc: "json",
  json5: "json",
  kt: "kotlin",
  tex: "latex",
  make: "makefile",
  md: "markdown",
  pl: "perl",
  ps1: "powershell",
  py: "python",
  py3: "python",
  rb: "ruby",
  rs: "rust",
  postgresql: "sql",
  postgres: "sql",
  plpgsql: "sql",
  ts: "typescript",
  tsx: "typescript",
  mts: "typescript",
  html: "xml",
  svg: "xml",
  vue: "xml",
  yml: "yaml",
};

globalThis.addEventListener("message", ({ data }: MessageEvent<HighlightRequest>) => {
  // What goes wrong is not answered, and given up by whoever asked.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
  void answer(data).then((pieces) => globalThis.postMessage(pieces));
});

async function answer({ code, language }: HighlightRequest): Promise<HighlightAnswer> {
  const name = ALIASES[language] ?? language;
  const load = LANGUAGES[name];
  if (!load) return null;
  if (!hljs.getLanguage(name)) hljs.registerLanguage(name, (await load()).default);
  const { _emitter: emitter } = hljs.highlight(code, { language: name, ignoreIllegals: true });
  const pieces: CodePiece[] = [];
  collect((emitter as unknown as { rootNode: Node }).rootNode, null, pieces);
  return pieces;
}

interface Node {
  readonly scope?: string;
  readonly children: readonly (Node | string)[];
}

function collect({ scope, children }: Node, outer: string | null, pieces: CodePiece[]): void {
  const kind = kindOf(scope) ?? outer;
  for (const child of children) {
    if (typeof child !== "string") collect(child, kind, pieces);
    else if (child !== "") pieces.push({ text: child, kind });
  }
}

/** What has a colour of its own, by the names of https://highlightjs.readthedocs.io/en/latest/css-classes-reference.html */
const KINDS: Readonly<Record<string, string>> = {
  keyword: "keyword",
  built_in: "name",
  type: "type",
  literal: "literal",
  number: "literal",
  operator: "plain",
  string: "string",
  regexp: "string",
  symbol: "literal",
  subst: "plain",
  comment: "comment",
  doctag: "comment",
  quote: "comment",
  meta: "comment",
  section: "name",
  tag: "keyword",
  name: "keyword",
  attr: "name",
  attribute: "name",
  variable: "variable",
  bullet: "keyword",
  code: "string",
  link: "string",
  title: "name",
  params: "plain",
  property: "name",
  punctuation: "plain",
  "selector-tag": "keyword",
  "selector-id": "name",
  "selector-class": "name",
  "selector-attr": "string",
  "selector-pseudo": "type",
  "template-tag": "keyword",
  "template-variable": "variable",
  addition: "addition",
  deletion: "deletion",
  emphasis: "plain",
  strong: "plain",
  class: "plain",
  function: "plain",
};

function kindOf(scope: string | undefined): string | null {
  if (scope === undefined) return null;
  const kind = KINDS[scope] ?? KINDS[scope.split(".")[0] ?? ""];
  return kind === undefined || kind === "plain" ? null : kind;
}
