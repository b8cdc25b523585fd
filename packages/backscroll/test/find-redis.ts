import { spawnSync } from "node:child_process";

/** @returns the name of this machine's Redis (or Valkey) server, installed first where that is possible */
export function findRedisServer(): string {
  const name = onPath() ?? (install(), onPath());
  if (name === undefined) {
    throw new Error(
      "the tests need redis-server or valkey-server on the PATH: apt-get install redis-server, or brew install redis",
    );
  }
  return name;
}

function onPath(): string | undefined {
  return ["redis-server", "valkey-server"].find((name) => spawnSync(name, ["--version"]).status === 0);
}

function install(): void {
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) return;
  process.stderr.write("installing redis-server for the tests …\n");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { env });
  spawnSync("apt-get", ["install", "-y", "-qq", "redis-server"], { env });
}
