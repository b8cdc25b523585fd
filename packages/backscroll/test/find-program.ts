import { spawnSync } from "node:child_process";

/** What a test needs and npm does not bring. */
interface Program {
  /** under which it may be installed, the preferred first: on the PATH, or absolute */
  readonly names: readonly string[];
  /** the Debian package it comes in */
  readonly debianPackage: string;
  /** how else somebody gets it */
  readonly otherwise: string;
}

/** @returns the name of this machine's program, installed first where that is possible: as root, where there is apt */
export function findProgram(program: Program): string {
  const { names, debianPackage, otherwise } = program;
  const name = installed(names) ?? (install(debianPackage), installed(names));
  if (name === undefined) {
    throw new Error(`the tests need ${names.join(" or ")}: apt-get install ${debianPackage}, or ${otherwise}`);
  }
  return name;
}

function installed(names: readonly string[]): string | undefined {
  return names.find((name) => spawnSync(name, ["--version"]).status === 0);
}

function install(debianPackage: string): void {
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) return;
  process.stderr.write(`installing ${debianPackage} for the tests …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { env });
  spawnSync("apt-get", ["install", "-y", "-qq", debianPackage], { env });
}
