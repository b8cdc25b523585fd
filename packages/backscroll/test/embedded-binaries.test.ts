import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ownBinaries, serverAccount } from "../src/postgres/embedded-binaries.ts";
import { temporaryDirectory } from "./service-process.ts";

const LIBRARIES = ["libx.so", "libx.so.1", "libx.so.1.2"];

/** As npm unpacks it, before the package's install script. */
function installedPackage(): string {
  const directory = join(temporaryDirectory(), "package");
  const native = join(directory, "native");
  mkdirSync(join(native, "bin"), { recursive: true });
  mkdirSync(join(native, "lib"));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ version: "1.2.3" }));
  const links = ["libx.so", "libx.so.1"].map((name) => ({
    source: "native/lib/libx.so.1.2",
    target: `native/lib/${name}`,
  }));
  writeFileSync(join(native, "pg-symlinks.json"), JSON.stringify(links));
  writeFileSync(join(native, "bin", "postgres"), "", { mode: 0o755 });
  writeFileSync(join(native, "lib", "libx.so.1.2"), "");
  return directory;
}

function isWhole(native: string): boolean {
  const directory = join(native, "lib");
  return (
    readdirSync(directory).toSorted().join() === LIBRARIES.join() &&
    LIBRARIES.every((name) => existsSync(join(directory, name)))
  );
}

test("binaries that npm installed without scripts are made whole where they are", () => {
  const installed = installedPackage();
  const native = join(installed, "native");
  symlinkSync("libx.so.1.2", join(native, "lib", "libx.so"));
  expect(ownBinaries(installed, temporaryDirectory(), undefined)).toBe(native);
  expect(isWhole(native)).toBe(true);
});

test("where they may not be changed, a copy in the data folder is made whole", () => {
  const installed = installedPackage();
  const dataDir = temporaryDirectory();
  const account = serverAccount();
  if (account) chownSync(dataDir, account.uid, account.gid);
  chmodSync(join(installed, "native", "lib"), 0o555);
  // Root may change everything: as an ordinary account, in a process of its own.
  const program = `
    import { ownBinaries } from ${JSON.stringify(new URL("../src/postgres/embedded-binaries.ts", import.meta.url))};
    const [installed, dataDir, uid] = process.argv.slice(1);
    if (uid !== "") process.seteuid(Number(uid));
    process.stdout.write(ownBinaries(installed, dataDir, undefined));`;
  const args = ["--input-type=module", "--eval", program, installed, dataDir, String(account?.uid ?? "")];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stdout, stderr).toBe(join(dataDir, "postgres-1.2.3"));
  expect(isWhole(stdout)).toBe(true);
  expect(readdirSync(join(installed, "native", "lib"))).toEqual(["libx.so.1.2"]);
});
