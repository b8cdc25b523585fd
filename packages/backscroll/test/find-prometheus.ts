import { findProgram } from "./find-program.ts";

/** Finds Prometheus and promtool, installed first where that is possible: give it five minutes. */
export function findPrometheus(): void {
  for (const name of ["prometheus", "promtool"])
    findProgram({ names: [name], debianPackage: "prometheus", otherwise: "brew install prometheus" });
}
