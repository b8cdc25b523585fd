import { execFile } from "node:child_process";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { promisify } from "node:util";
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import pc from "picocolors";
import { errorMessage } from "../domain/errors.ts";
import { type FixedFile, planFix } from "../sessions-scan/fix.ts";
import { countByPattern, DOCUMENT_HEADING, mappingDocument, usesByFile } from "../sessions-scan/mapping-document.ts";
import { ParserMissingError } from "../sessions-scan/parser.ts";
import { replacementFor } from "../sessions-scan/replacement.ts";
import { type ScanResult, scanSessions } from "../sessions-scan/scan.ts";
import { CommandError, createProgress, EXIT, type Terminal } from "./terminal.ts";

/** As commander reads them. */
export interface ScanFlags {
  readonly fix?: boolean;
  readonly yes?: boolean;
  /** absent: `MIGRATION.md` here, and with `--json` none */
  readonly output?: string;
  readonly store?: string;
}

export interface ScanOptions extends ScanFlags {
  readonly directory: string;
}

/** Finds the uses of session dictionaries, says what replaces them, and, with `--fix`, replaces what is certain. */
export async function scanCommand(terminal: Terminal, options: ScanOptions): Promise<void> {
  const { directory, fix = false } = options;
  const result = await scan(terminal, directory);
  for (const { file, line, what } of result.problems)
    terminal.warn(`${file}${line === null ? "" : `:${line}`} ${what}`);
  if (terminal.json && !fix) terminal.data(`${JSON.stringify(toJson(result), null, 2)}\n`);
  else if (!fix) terminal.data(asTable(result));
  for (const { name, file, line, why } of result.leftOut) terminal.say(`Left out ${name} (${file}:${line}): ${why}`);
  if (result.uses.length === 0) return terminal.say(`No session dictionary in ${result.files} files.`);
  const output = options.output ?? (terminal.json || fix ? null : "MIGRATION.md");
  if (output !== null) await writeDocument(terminal, output, result);
  if (fix) await fixCommand(terminal, result, options);
}

async function scan(terminal: Terminal, directory: string): Promise<ScanResult> {
  const found = await stat(directory).catch(() => null);
  if (!found?.isDirectory()) throw new CommandError(EXIT.usage, `${directory} is not a directory`);
  const progress = createProgress(terminal, "Reading");
  try {
    return await scanSessions(directory, (done, total) => progress.update(done, total, "files"));
  } catch (error) {
    if (error instanceof ParserMissingError) throw new CommandError(EXIT.usage, error.message, { cause: error });
    throw error;
  } finally {
    progress.end();
  }
}

function toJson({ files, dictionaries, uses, leftOut, problems }: ScanResult): unknown {
  return {
    files,
    dictionaries,
    patterns: Object.fromEntries(countByPattern(uses)),
    uses: uses.map((use) => ({
      file: use.file,
      line: use.line,
      pattern: use.pattern,
      dictionary: use.dictionary,
      code: use.code,
      reason: use.reason,
      replacement: replacementFor(use),
    })),
    left_out: leftOut,
    problems,
  };
}

const CODE_WIDTH = 72;

function asTable({ uses, dictionaries }: ScanResult): string {
  if (uses.length === 0) return "";
  const places = uses.map(({ file, line }) => `${file}:${line}`);
  const width = Math.max(...places.map((place) => place.length));
  const patternWidth = Math.max(...uses.map(({ pattern }) => pattern.length));
  const rows = uses.map(({ pattern, code, reason }, i) => {
    const shown = code.length > CODE_WIDTH ? `${code.slice(0, CODE_WIDTH - 1)}…` : code;
    const padded = pattern.padEnd(patternWidth);
    const coloured = pattern === "unclassified" ? pc.yellow(padded) : pc.cyan(padded);
    return `${places[i]!.padEnd(width)}  ${coloured}  ${shown}${reason === null ? "" : pc.dim(`  (${reason})`)}`;
  });
  const summary = [...usesByFile(uses)].map(([file, of]) => {
    const counts = [...countByPattern(of)].map(([pattern, count]) => `${count} ${pattern}`);
    return `${file}: ${counts.join(", ")}`;
  });
  const names = dictionaries.map(({ name, file, line }) => `${name} (${file}:${line})`).join(", ");
  const total = [...countByPattern(uses)].map(([pattern, count]) => `${count} ${pattern}`).join(", ");
  return `${[...rows, "", ...summary, "", `${uses.length} uses of ${names}: ${total}`].join("\n")}\n`;
}

async function writeDocument(terminal: Terminal, path: string, result: ScanResult): Promise<void> {
  const there = await readFile(path, "utf8").catch(() => null);
  if (there !== null && !there.startsWith(DOCUMENT_HEADING)) {
    throw new CommandError(EXIT.failed, `${path} is there and was not written by this command: --output names another`);
  }
  await write(path, mappingDocument(result));
  terminal.say(`Wrote ${path}: what replaces each of them.`);
}

/** Aside first: a file is whole or as it was. */
async function write(path: string, text: string): Promise<void> {
  try {
    const { mode } = await stat(path).catch(() => ({ mode: 0o644 }));
    await writeFile(`${path}.unfinished`, text, { mode });
    await rename(`${path}.unfinished`, path);
  } catch (error) {
    throw new CommandError(EXIT.failed, `cannot write ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

async function fixCommand(
  terminal: Terminal,
  result: ScanResult,
  { directory, yes = false, store = "session-store" }: ScanOptions,
): Promise<void> {
  const changed = [...(await changedSinceCommit(terminal, directory))];
  const leaveAlone = new Map(changed.map((file) => [file, "it has changes that are not committed"]));
  const plan = await planFix(directory, result, { store, leaveAlone });
  const { files, stillUsed, tooMany } = plan;
  for (const { file, why } of plan.skipped) terminal.warn(`${file} is left alone: ${why}`);
  for (const { file, why } of plan.onlyMarked) terminal.warn(`${file} is only marked: ${why}`);
  if (tooMany.length > 0) {
    terminal.warn(
      `Nothing is rewritten: ${tooMany.join(", ")} are ${tooMany.length} dictionaries, and in one store sessions with the ` +
        "same id would be one session. Scan a directory that has one of them, or move them by hand",
    );
  }
  if (files.length === 0) return terminal.say("Nothing to change.");
  if (terminal.json) terminal.data(`${JSON.stringify({ files: files.map(toFixJson) }, null, 2)}\n`);
  else for (const file of files) terminal.data(diffOf(file));
  if (!yes) await confirm(files.length);
  for (const { file, after } of files) await write(join(directory, file), after);
  const sum = (of: (file: FixedFile) => number): number => files.reduce((total, file) => total + of(file), 0);
  terminal.say(
    `Rewrote ${sum(({ rewritten }) => rewritten)} places and marked ${sum(({ marked }) => marked)} in ${files.length} files. ` +
      "Look for `backscroll:` in them.",
  );
  if (files.some(({ rewritten }) => rewritten > 0))
    terminal.say(`They import ${store}: MIGRATION.md says what is in it.`);
  if (stillUsed.length > 0) {
    terminal.say(
      `Still used beside the store: ${stillUsed.join(", ")}. Until nothing is marked, it has to be its \`legacy\`.`,
    );
  }
}

function toFixJson({ file, rewritten, marked, before, after }: FixedFile): unknown {
  return { file, rewritten, marked, diff: diffOf({ file, before, after }) };
}

function diffOf({ file, before, after }: Pick<FixedFile, "file" | "before" | "after">): string {
  const diff = createTwoFilesPatch(`a/${file}`, `b/${file}`, before, after, undefined, undefined, {
    headerOptions: FILE_HEADERS_ONLY,
  });
  return diff.endsWith("\n") ? diff : `${diff}\n`;
}

/** A change that is not committed could not be told from ours, nor be had back. Outside of git there is no such thing. */
async function changedSinceCommit(terminal: Terminal, directory: string): Promise<ReadonlySet<string>> {
  const git = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, LC_ALL: "C" };
    const options = { cwd: resolve(directory), maxBuffer: 64 * 1024 * 1024, env };
    return (await promisify(execFile)("git", args, options)).stdout;
  };
  try {
    const prefix = (await git("rev-parse", "--show-prefix")).trim();
    const status = await git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", ".");
    const paths = status.split("\0").map((entry) => entry.slice(3));
    return new Set(paths.map((path) => (path.startsWith(prefix) ? path.slice(prefix.length) : path)));
  } catch (error) {
    const { code, stderr = "" } = error as { code?: unknown; stderr?: string };
    if (stderr.includes("not a git repository (or any")) return new Set();
    if (code !== "ENOENT") {
      const why = stderr.trim() || errorMessage(error);
      throw new CommandError(EXIT.failed, `git does not say what is not committed: ${why}`, { cause: error });
    }
    terminal.warn("git is not installed: changes that are not committed are not looked for");
    return new Set();
  }
}

async function confirm(count: number): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new CommandError(EXIT.usage, "nothing was written: --yes writes it, since nobody is here to be asked");
  }
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await questions.question(`Write these changes to ${count} files? [y/N] `);
  questions.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError(EXIT.failed, "nothing was written");
}
