import { findProgram } from "./find-program.ts";

/** @returns the name of this machine's PgBouncer, installed first where that is possible: give it five minutes */
export function findPgBouncer(): string {
  return findProgram({
    names: ["pgbouncer", "/usr/sbin/pgbouncer"],
    debianPackage: "pgbouncer",
    otherwise: "brew install pgbouncer",
  });
}
