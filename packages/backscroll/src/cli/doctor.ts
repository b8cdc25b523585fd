import pc from "picocolors";
import type { SettingName } from "../settings.ts";
import { VERSION } from "../version.ts";
import type { Check, Verdict } from "./doctor/check.ts";
import { DEPENDENCY_CHECKS } from "./doctor/dependency-checks.ts";
import { gatherFindings } from "./doctor/findings.ts";
import { MACHINE_CHECKS } from "./doctor/machine-checks.ts";
import { POSTGRES_CHECKS } from "./doctor/postgres-checks.ts";
import { REDIS_CHECKS } from "./doctor/redis-checks.ts";
import { createRedactor } from "./doctor/redact.ts";
import { SERVICE_CHECKS } from "./doctor/service-checks.ts";
import { SETTINGS_CHECKS } from "./doctor/settings-checks.ts";
import { EXIT, type Terminal } from "./terminal.ts";

/** In the order in which they are told. */
const CHECKS: readonly Check[] = [
  ...MACHINE_CHECKS,
  ...SETTINGS_CHECKS,
  ...POSTGRES_CHECKS,
  ...REDIS_CHECKS,
  ...DEPENDENCY_CHECKS,
  ...SERVICE_CHECKS,
];

interface Told {
  readonly id: string;
  readonly title: string;
  readonly verdict: Verdict;
}

/**
 * Looks at everything that Backscroll stands on, and at the service if one runs, and changes nothing. It ends within
 * seconds, whatever does not answer: with 0, warnings included; 3 when something that is needed does not answer; 1 when
 * something else is wrong.
 */
export async function doctorCommand(terminal: Terminal, flags: Partial<Record<SettingName, string>>): Promise<void> {
  const redact = createRedactor(process.env, flags);
  const findings = await gatherFindings(process.env, flags);
  const told = CHECKS.flatMap(({ id, title, examine }): Told[] => {
    const verdict = examine(findings);
    return verdict ? [{ id, title, verdict }] : [];
  });
  terminal.data(redact(terminal.json ? toJson(told) : toText(told, terminal)));
  // What did not answer may keep sockets and look-ups of names open for longer than anybody waits.
  process.exit(exitCodeOf(told));
}

function exitCodeOf(told: readonly Told[]): number {
  const troubles = told.flatMap(({ verdict }) => (verdict.status === "fail" ? [verdict] : []));
  if (troubles.some(({ isUnreachable }) => isUnreachable)) return EXIT.unreachable;
  return troubles.length > 0 ? EXIT.failed : 0;
}

function toJson(told: readonly Told[]): string {
  const checks = told.map(({ id, title, verdict }) => ({
    id,
    title,
    status: verdict.status,
    detail: verdict.detail,
    fix: verdict.status === "ok" ? null : verdict.fix,
  }));
  const statuses = new Set(checks.map(({ status }) => status));
  const status = (["fail", "warn"] as const).find((each) => statuses.has(each)) ?? "ok";
  return `${JSON.stringify({ version: VERSION, status, checks })}\n`;
}

const MARKS = { ok: pc.green("✓"), warn: pc.yellow("!"), fail: pc.red("✗") } as const;

function toText(told: readonly Told[], { quiet }: Terminal): string {
  const width = Math.max(...told.map(({ title }) => title.length));
  const lines = told
    .filter(({ verdict }) => !quiet || verdict.status !== "ok")
    .flatMap(({ title, verdict }) => {
      const line = `${MARKS[verdict.status]} ${title.padEnd(width)}  ${verdict.detail}`;
      return verdict.status === "ok" ? [line] : [line, `  ${"".padEnd(width)}  ${pc.bold("→")} ${verdict.fix}`];
    });
  const count = (status: Verdict["status"]): number => told.filter(({ verdict }) => verdict.status === status).length;
  if (!quiet) lines.push("", `${count("fail")} wrong, ${count("warn")} to look at, ${count("ok")} good`);
  return lines.map((line) => `${line}\n`).join("");
}
