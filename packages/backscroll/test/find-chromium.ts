import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { findProgram } from "./find-program.ts";

/** @returns the path of this machine's Chromium (or Chrome), installed first where that is possible */
export function findChromium(): string {
  const name = findProgram({
    names: [
      "chromium",
      "chromium-browser",
      "google-chrome",
      "/Applications/Chromium.app/Contents/MacOS/Chromium",
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ],
    debianPackage: "chromium",
    otherwise: "brew install --cask chromium",
  });
  if (isAbsolute(name)) return name;
  const directories = (process.env["PATH"] ?? "").split(delimiter);
  return join(directories.find((directory) => existsSync(join(directory, name))) ?? "", name);
}
