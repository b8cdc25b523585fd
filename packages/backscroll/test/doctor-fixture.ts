import { onTestFinished } from "vitest";
import { runCommand } from "./service-process.ts";
import { newSchema } from "./services.ts";

/** What `doctor --json` says of one thing. */
interface ToldCheck {
  readonly id: string;
  readonly title: string;
  readonly status: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly fix: string | null;
}

interface Told {
  /** exit code */
  readonly code: number | string;
  readonly status: string;
  /** undefined when it did not say anything of it */
  check(id: string): ToldCheck | undefined;
  /** those that say how fast something answered aside: that is the machine's business */
  readonly troubles: readonly string[];
  /** all that it wrote */
  readonly output: string;
}

/** Several processes a test, each of which takes a while to start on a busy machine. */
export const SLOW = { timeout: 60_000 };
/** A port of nobody, unless the test says otherwise. */
const NO_PORT = { PORT: "0" };

export async function doctor(environment: Record<string, string>, ...flags: string[]): Promise<Told> {
  const {
    status: code,
    stdout,
    stderr,
  } = await runCommand(["--json", "doctor", ...flags], { ...NO_PORT, ...environment });
  const document = JSON.parse(stdout) as { status: string; checks: readonly ToldCheck[] };
  return {
    code,
    status: document.status,
    check: (id) => document.checks.find((check) => check.id === id),
    troubles: document.checks
      .filter(({ id, status }) => status !== "ok" && !id.endsWith("-latency"))
      .map(({ id, status }) => `${id} ${status}`),
    output: stdout + stderr,
  };
}

/** @returns where an empty schema is, as the environment says it */
export async function emptyDatabase(): Promise<{ DATABASE_URL: string }> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return { DATABASE_URL: databaseUrl };
}

export async function migratedDatabase(): Promise<{ DATABASE_URL: string }> {
  const environment = await emptyDatabase();
  const { status, stderr } = await runCommand(["migrate"], environment);
  if (status !== 0) throw new Error(stderr);
  return environment;
}
