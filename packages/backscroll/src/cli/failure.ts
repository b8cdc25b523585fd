import { CommanderError } from "commander";
import { ConfigError } from "../config.ts";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import { CommandError, EXIT } from "./terminal.ts";

/** Why a command failed, for people, and what it exits with. */
export interface Failure {
  readonly exitCode: number;
  readonly message: string;
}

export function describeFailure(error: unknown): Failure {
  const exitCode = exitCodeOf(error);
  const isDatabase = exitCode === EXIT.unreachable && !(error instanceof CommandError);
  const hint = isDatabase ? " (is DATABASE_URL right, and the server running?)" : "";
  return { exitCode, message: `${errorMessage(error)}${hint}` };
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof ConfigError) return EXIT.usage;
  if (error instanceof BackscrollError && error.code === "database_unavailable") return EXIT.unreachable;
  return isUnreachable(error) ? EXIT.unreachable : EXIT.failed;
}

function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnreachable);
  return (
    error instanceof Error &&
    "code" in error &&
    /^(ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|28P01|28000|3D000|57P03)$/.test(String(error.code))
  );
}
