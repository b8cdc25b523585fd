import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, existsSync, rmSync } from "node:fs";
import { buildWeb } from "./build-web.ts";

/** Builds the package in the current folder into `dist/`. */
rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (existsSync("dist/cli/bin.js")) chmodSync("dist/cli/bin.js", 0o755);
// What npm shows and asks of a package; the repository keeps one copy.
copyFileSync("../../LICENSE", "LICENSE");
if (process.env["npm_package_name"] === "backscroll") {
  copyFileSync("../../README.md", "README.md");
  await buildWeb();
  cpSync("../web/dist", "dist/web", { recursive: true, filter: (path) => !path.endsWith("/.built") });
}
process.exitCode = status ?? 1;
