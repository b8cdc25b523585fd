import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";

/** Builds the package in the current folder into `dist/`. */
rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (existsSync("dist/cli/main.js")) chmodSync("dist/cli/main.js", 0o755);
process.exitCode = status ?? 1;
