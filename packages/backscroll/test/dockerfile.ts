import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, matchesGlob, posix } from "node:path";
import { Copy, DockerfileParser, type Instruction, JSONInstruction } from "dockerfile-ast";

/** What a stage leaves behind: its files, and how they are run. */
export interface Stage {
  readonly name: string;
  /** in place of `/` */
  readonly root: string;
  workdir: string;
  user: string;
  readonly env: Record<string, string>;
  entrypoint: readonly string[];
  healthcheck: readonly string[];
}

/**
 * Carries out a Dockerfile's COPY and RUN in folders, for want of Docker: a base image is empty, and the machine's own
 * programs run. Knows the instructions that ours has, and refuses others.
 *
 * @param at.context the folder that is built, which has the Dockerfile
 * @param at.into gets a folder for each stage
 * @param at.environment what RUN sees beside the stage's own, e.g. PATH
 * @returns the last stage
 * @throws {Error} when a COPY finds nothing, a RUN fails, or an instruction is not known
 */
export function buildStages(at: {
  context: string;
  into: string;
  environment: Readonly<Record<string, string>>;
}): Stage {
  const { context, into, environment } = at;
  const ignored = readIgnored(join(context, ".dockerignore"));
  const stages: Stage[] = [];
  const steps = DockerfileParser.parse(readFileSync(join(context, "Dockerfile"), "utf8")).getInstructions();
  for (const step of steps) {
    const words = step.getArguments().map((argument) => argument.getValue());
    const stage = stages.at(-1);
    if (step.getKeyword() === "FROM") {
      stages.push(newStage(into, words[2] ?? String(stages.length)));
    } else if (stage === undefined) throw new Error(`${step.getKeyword()} before FROM`);
    else if (step instanceof Copy) copy(stage, { step, words, context, ignored, stages });
    else if (step.getKeyword() === "RUN") run(stage, step, environment);
    else describe(stage, step, words);
  }
  const last = stages.at(-1);
  if (last === undefined) throw new Error("no FROM");
  return last;
}

function newStage(into: string, name: string): Stage {
  const root = join(into, name);
  mkdirSync(root, { recursive: true });
  return { name, root, workdir: "/", user: "root", env: {}, entrypoint: [], healthcheck: [] };
}

interface Copying {
  readonly step: Copy;
  readonly words: readonly string[];
  readonly context: string;
  readonly ignored: (path: string) => boolean;
  readonly stages: readonly Stage[];
}

function copy(stage: Stage, { step, words, context, ignored, stages }: Copying): void {
  const from = step.getFromFlag()?.getValue() ?? undefined;
  const source = from === undefined ? context : stages.find(({ name }) => name === from)?.root;
  if (source === undefined) throw new Error(`COPY --from=${from}: no such stage`);
  const target = words.at(-1) ?? "";
  const into = join(stage.root, posix.resolve(stage.workdir, target));
  for (const word of words.slice(0, -1)) {
    const path = join(source, word);
    if (from === undefined && ignored(word)) throw new Error(`COPY ${word}: .dockerignore leaves it out`);
    // A folder's content is copied, a file goes into a target that ends in a slash.
    const isFolder = statSync(path).isDirectory();
    const to = isFolder || !target.endsWith("/") ? into : join(into, basename(word));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(path, to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => from !== undefined || !ignored(posix.relative(source, file)),
    });
  }
}

function run(stage: Stage, step: Instruction, environment: Readonly<Record<string, string>>): void {
  const command = (step.getRawArgumentsContent() ?? "").replaceAll("\\\n", " ");
  if (/(^|\s)\//.test(command)) throw new Error(`RUN names an absolute path, which is another one here: ${command}`);
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", command], {
    cwd: join(stage.root, stage.workdir),
    env: { ...environment, ...stage.env },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`RUN ${command}: ${status}\n${stdout}${stderr}`);
}

function describe(stage: Stage, step: Instruction, words: readonly string[]): void {
  const strings = step instanceof JSONInstruction ? step.getJSONStrings().map((one) => one.getJSONValue()) : [];
  switch (step.getKeyword()) {
    case "WORKDIR":
      stage.workdir = words[0] ?? "/";
      mkdirSync(join(stage.root, stage.workdir), { recursive: true });
      return;
    case "USER":
      stage.user = words[0] ?? "root";
      return;
    case "ENV":
      for (const word of words) stage.env[word.slice(0, word.indexOf("="))] = word.slice(word.indexOf("=") + 1);
      return;
    case "ENTRYPOINT":
      stage.entrypoint = strings;
      return;
    case "HEALTHCHECK":
      stage.healthcheck = JSON.parse((step.getRawArgumentsContent() ?? "").replace(/^[^[]*/, "")) as string[];
      return;
    case "LABEL":
    case "EXPOSE":
    case "STOPSIGNAL":
      return;
    default:
      throw new Error(`${step.getKeyword()} is not known here: say what it does`);
  }
}

/** https://docs.docker.com/build/concepts/context/#dockerignore-files: the last pattern that fits decides. */
function readIgnored(file: string): (path: string) => boolean {
  const patterns = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  return (path) => {
    if (path === "") return false;
    const parts = path.split("/");
    const above = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    let isIgnored = false;
    for (const pattern of patterns) {
      const isException = pattern.startsWith("!");
      if (above.some((one) => matchesGlob(one, pattern.replace(/^!/, "")))) isIgnored = !isException;
    }
    return isIgnored;
  };
}

/** @returns every file under a folder, from there */
export function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" });
}
