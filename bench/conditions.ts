import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";

/** @returns the commit that is measured, and whether it is what was committed */
export function commitText(): string {
  const changed = git("status", "--porcelain", "--", "../packages/backscroll").length > 0;
  return `commit ${git("rev-parse", "--short", "HEAD")}${changed ? " with changes not committed" : ""}`;
}

export function machineText(): string {
  return `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`;
}

export function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
}
