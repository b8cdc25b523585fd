import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createParser, type Parser } from "../../src/sessions-scan/parser.ts";
import { replacementFor } from "../../src/sessions-scan/replacement.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { descendants, textOf } from "../../src/sessions-scan/tree.ts";
import { typescriptSetup } from "../../src/sessions-scan/typescript-setup.ts";
import { temporaryDirectory } from "../service-process.ts";
import { applications, snippets, writeSample } from "./corpus.ts";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

/** The replacement in a function of its own, where every name but `store` may be anything. */
function asFunction(parser: Parser, code: string, i: number): string {
  const body = code.replaceAll("this.#", "this.");
  const names = { values: new Set<string>(), types: new Set<string>() };
  const declared = new Set(["store"]);
  for (const node of descendants(parser.parse("a.ts", body).root)) {
    const isDeclared = node.parent?.kind === "variable_declarator" && node.parent.children[0] === node;
    const isLoop = node.parent?.kind === "for_in_statement" && node.parent.children[0] === node;
    if (isDeclared || isLoop) declared.add(textOf(node));
    if (/^(shorthand_property_)?identifier$/.test(node.kind)) names.values.add(textOf(node));
    if (node.kind === "type_identifier") names.types.add(textOf(node));
  }
  const parameters = [...names.values].filter((name) => !declared.has(name)).map((name) => `, ${name}: any`);
  const types = [...names.types].map((name) => `  type ${name} = any;\n`);
  return `export async function f${i}(this: any${parameters.join("")}) {\n${types.join("")}${body}\n}\n`;
}

test("every TypeScript replacement of the corpus is a call that the store has", { timeout: 120_000 }, async () => {
  const parser = await createParser();
  const codes: string[] = [];
  for (const sample of [...snippets(), ...applications()]) {
    const { uses } = await scanSessions(writeSample(sample));
    for (const use of uses) {
      if (use.language !== "python" && use.pattern !== "import") codes.push(replacementFor(use).code);
    }
  }
  const functions = [...new Set(codes)].filter((code) => code !== "").map((code, i) => asFunction(parser, code, i));
  expect(functions.length).toBeGreaterThan(60);
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  const at = { name: "SESSIONS", declaredAt: "chat.ts:1" };
  const records = "export const SESSIONS: Record<string, { messages: Message[]; context: object }> = {};";
  const lists = "const SESSIONS = new Map<string, Message[]>()";
  const setups = {
    "session-store.ts": typescriptSetup([{ ...at, holdsLists: false, code: records }]),
    "lists.ts": typescriptSetup([{ ...at, holdsLists: true, code: lists }]),
    "class.ts": typescriptSetup([{ ...at, holdsLists: false, code: "private SESSIONS = new Map();" }]),
    "two.ts": typescriptSetup([at, at].map((each) => ({ ...each, holdsLists: false, code: lists }))),
  };
  for (const [file, text] of Object.entries(setups)) writeFileSync(join(directory, file), text);
  writeFileSync(
    join(directory, "replaced.ts"),
    // What is in a context, and in a message, the app knows.
    `import type { SessionStore } from "backscroll";

declare const store: Omit<SessionStore<any>, "getContext"> & { getContext(id: string): Promise<any> };

${functions.join("\n")}`,
  );
  const compilerOptions = {
    noUnusedLocals: false,
    noUnusedParameters: false,
    typeRoots: [join(PACKAGE, "../../node_modules/@types")],
    paths: { backscroll: [join(PACKAGE, "src/index.ts")] },
  };
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({ extends: join(PACKAGE, "../../tsconfig.base.json"), compilerOptions, include: ["*.ts"] }),
  );

  const { stdout } = spawnSync("tsc", ["-p", directory, "--pretty", "false"], { encoding: "utf8" });

  expect(stdout).toBe("");
});
