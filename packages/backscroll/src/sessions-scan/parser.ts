import { extname } from "node:path";
import type * as napiTypes from "@ast-grep/napi";
import type { DynamicLangRegistrations, SgNode } from "@ast-grep/napi";
import type { Language, Node, SourceFile } from "./tree.ts";

type AstGrep = Pick<typeof napiTypes, "parse" | "registerDynamicLanguage">;

export interface Parser {
  parse(path: string, text: string): SourceFile;
}

/** The parser is not installed: 15 MB of binaries that a service never needs. */
export class ParserMissingError extends Error {
  override readonly name = "ParserMissingError";
}

const LANGUAGES: Readonly<Record<string, { language: Language; grammar: string }>> = {
  ".py": { language: "python", grammar: "python" },
  ".pyi": { language: "python", grammar: "python" },
  ".js": { language: "javascript", grammar: "JavaScript" },
  ".jsx": { language: "javascript", grammar: "JavaScript" },
  ".mjs": { language: "javascript", grammar: "JavaScript" },
  ".cjs": { language: "javascript", grammar: "JavaScript" },
  ".ts": { language: "typescript", grammar: "TypeScript" },
  ".mts": { language: "typescript", grammar: "TypeScript" },
  ".cts": { language: "typescript", grammar: "TypeScript" },
  ".tsx": { language: "typescript", grammar: "Tsx" },
};

export const EXTENSIONS: ReadonlySet<string> = new Set(Object.keys(LANGUAGES));

/** A grammar may be registered once in a process. */
let registered = false;

/** @throws {ParserMissingError} the optional packages are not there */
export async function createParser(): Promise<Parser> {
  const { napi, python } = await loadParser();
  if (!registered) napi.registerDynamicLanguage({ python });
  registered = true;
  return { parse: (path, text) => parseFile(napi, path, text) };
}

async function loadParser(): Promise<{ napi: AstGrep; python: DynamicLangRegistrations[string] }> {
  try {
    const [napi, python] = await Promise.all([import("@ast-grep/napi"), import("@ast-grep/lang-python")]);
    return { napi, python: python.default };
  } catch (error) {
    throw new ParserMissingError(
      "the parser is not installed: `npm install @ast-grep/napi @ast-grep/lang-python` beside backscroll, or " +
        "`npx -p backscroll -p @ast-grep/napi -p @ast-grep/lang-python backscroll sessions scan <dir>`",
      { cause: error },
    );
  }
}

function parseFile(napi: AstGrep, path: string, text: string): SourceFile {
  const { language, grammar } = LANGUAGES[extname(path)]!;
  let root = napi.parse(grammar, text).root();
  let broken = brokenLines(root);
  if (broken.length > 0 && grammar === "JavaScript") {
    // Flow annotates types nearly as TypeScript does.
    const typed = napi.parse("Tsx", text).root();
    const brokenTyped = brokenLines(typed);
    if (brokenTyped.length < broken.length) [root, broken] = [typed, brokenTyped];
  }
  const file: Omit<SourceFile, "root"> & { root?: Node } = { path, language, text, brokenLines: broken };
  file.root = copy(root, null, file as SourceFile);
  return file as SourceFile;
}

/** Where the grammar left something out, or put something in that is not there: a token without length. */
function brokenLines(root: SgNode): number[] {
  const found = root.findAll({ rule: { any: [{ kind: "ERROR" }, { regex: "^$" }] } });
  return found.filter((node) => !node.isNamed() || node.is("ERROR")).map((node) => node.range().start.line + 1);
}

/** What stands between the parts of an expression and means nothing here. */
const LEFT_OUT = new Set([
  "comment",
  "optional_chain",
  "html_comment",
  "string_start",
  "string_end",
  "escape_sequence",
]);
/** What has nothing inside, or nothing that touches a variable: not asked for it. */
const LEAVES = new Set(
  (
    "identifier property_identifier private_property_identifier type_identifier shorthand_property_identifier " +
    "shorthand_property_identifier_pattern string_fragment string_content number integer float true false null none this " +
    "undefined super predefined_type regex interface_declaration type_alias_declaration ambient_declaration"
  ).split(" "),
);

function copy(from: SgNode, parent: Node | null, file: SourceFile): Node {
  const kind = String(from.kind());
  const { start, end } = from.range();
  const children: Node[] = [];
  const node: Node = {
    kind,
    start: start.index,
    end: end.index,
    line: start.line + 1,
    parent,
    children,
    file,
    view: null,
  };
  if (LEAVES.has(kind)) return node;
  for (const child of from.namedChildren()) {
    if (!LEFT_OUT.has(String(child.kind()))) children.push(copy(child, node, file));
  }
  return node;
}
