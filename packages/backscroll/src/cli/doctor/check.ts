import type { Findings } from "./findings.ts";

/** One question, answered from what was found; it does nothing itself. */
export interface Check {
  readonly id: string;
  /** for people, a few words */
  readonly title: string;
  /** @returns null when the question does not arise, or when another check tells why it cannot be answered */
  readonly examine: (findings: Findings) => Verdict | null;
}

export type Verdict = Good | Trouble;

interface Good {
  readonly status: "ok";
  readonly detail: string;
}

interface Trouble {
  readonly status: "warn" | "fail";
  readonly detail: string;
  /** what to do, as a sentence or a command */
  readonly fix: string;
  /** something that Backscroll needs does not answer */
  readonly isUnreachable: boolean;
}

export function ok(detail: string): Good {
  return { status: "ok", detail };
}

/** It works, and something is not as it should be. */
export function warn(detail: string, fix: string): Trouble {
  return { status: "warn", detail, fix, isUnreachable: false };
}

/** It does not work. */
export function fail(detail: string, fix: string): Trouble {
  return { status: "fail", detail, fix, isUnreachable: false };
}

export function unreachable(detail: string, fix: string): Trouble {
  return { status: "fail", detail, fix, isUnreachable: true };
}

export function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

export function bytes(count: number): string {
  const [unit, size] = count >= 2 ** 30 ? ["GB", 2 ** 30] : ["MB", 2 ** 20];
  return `${(count / size).toFixed(1)} ${unit}`;
}
