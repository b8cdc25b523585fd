import { findProgram } from "./find-program.ts";

/** @returns the name of this machine's Redis (or Valkey) server, installed first where that is possible */
export function findRedisServer(): string {
  return findProgram({
    names: ["redis-server", "valkey-server"],
    debianPackage: "redis-server",
    otherwise: "brew install redis",
  });
}
