import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "../service-process.ts";

const CORPUS = fileURLToPath(new URL("./corpus/", import.meta.url));

/** Some source, and what is to be found in it: `file:line pattern`, or `left-out` for what is named as near. */
export interface Sample {
  readonly name: string;
  readonly files: ReadonlyMap<string, string>;
  readonly expected: readonly string[];
}

/** The snippets of the corpus: every part of its files below a heading `# === name`. */
export function snippets(): Sample[] {
  return readdirSync(CORPUS, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name }) => snippetsOf(name));
}

function snippetsOf(name: string): Sample[] {
  const parts = readFileSync(join(CORPUS, name), "utf8").split(/^(?:#|\/\/) === (.*)\n/m);
  const samples: Sample[] = [];
  for (let i = 1; i < parts.length; i += 2) {
    const text = parts[i + 1]!;
    const file = `snippet${extname(name)}`;
    samples.push({ name: `${name}: ${parts[i]}`, files: new Map([[file, text]]), expected: expectations(file, text) });
  }
  return samples;
}

/** The applications of the corpus: a folder each. */
export function applications(): Sample[] {
  const root = join(CORPUS, "apps");
  return readdirSync(root).map((name) => {
    const files = new Map<string, string>();
    for (const entry of readdirSync(join(root, name), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files.set(relative(join(root, name), path), readFileSync(path, "utf8"));
    }
    return { name, files, expected: [...files].flatMap(([file, text]) => expectations(file, text)).toSorted() };
  });
}

function expectations(file: string, text: string): string[] {
  return text.split("\n").flatMap((line, i) => {
    const patterns = /(?:#|\/\/)> (.*)$/.exec(line)?.[1];
    return patterns ? patterns.split(", ").map((pattern) => `${file}:${i + 1} ${pattern.trim()}`) : [];
  });
}

/** Writes a sample into a directory of its own. */
export function writeSample({ files }: Pick<Sample, "files">): string {
  const directory = temporaryDirectory();
  for (const [file, text] of files) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }
  return directory;
}
