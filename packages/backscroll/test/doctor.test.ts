import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SLOW, doctor, emptyDatabase, migratedDatabase } from "./doctor-fixture.ts";
import { startRedis } from "./redis-server.ts";
import { post, runCommand, startService, temporaryDirectory } from "./service-process.ts";
import { startTokenIssuer } from "./token-issuer.ts";

const SECRET = "planted-secret-planted-secret-planted";

test("of a healthy service, its PostgreSQL and its Redis there is nothing to say but ✓", SLOW, async () => {
  const redis = await startRedis();
  const environment = { ...(await emptyDatabase()), REDIS_URL: redis.url };
  const { url } = await startService([], environment);
  const told = await doctor({ ...environment, PORT: new URL(url).port });
  expect(told.troubles).toEqual([]);
  expect(told.code).toBe(0);
  expect(told.check("service")).toMatchObject({ status: "ok", fix: null });
  expect(told.check("migrations")?.detail).toContain("up to date");
  expect(told.check("redis")?.detail).toContain(`127.0.0.1:${redis.port}`);
});

test("people read a mark, a detail and a fix; --quiet leaves out what is good", SLOW, async () => {
  const environment = { ...(await migratedDatabase()), PORT: "0" };
  const whole = await runCommand(["doctor"], environment);
  expect(whole).toMatchObject({ status: 0, stderr: "" });
  expect(whole.stdout).toMatch(/^✓ Node\.js +24\./m);
  expect(whole.stdout).toMatch(/^! Cache +there is none: every read asks PostgreSQL\n +→ Set REDIS_URL/m);
  expect(whole.stdout).toMatch(/^0 wrong, 1 to look at, \d+ good$/m);
  const quiet = await runCommand(["--quiet", "doctor"], environment);
  expect(quiet.stdout.match(/^\S/gm)).toEqual(["!"]);
  const healthy = await runCommand(["--quiet", "doctor"], { ...environment, CACHE: "off", REDIS_URL: "" });
  expect(healthy.stdout).toContain("CACHE=off");
});

test(
  "every bad setting is named at once, and what depends on none of them is looked at all the same",
  SLOW,
  async () => {
    const database = await migratedDatabase();
    const told = await doctor(
      { ...database, PORT: "99999", JWT_SECRET: "short-secret", CACHE_TTL: "x" },
      "--log-level",
      "loud",
    );
    expect(told.code).toBe(1);
    const { detail } = told.check("settings") ?? {};
    for (const name of ["PORT", "JWT_SECRET", "CACHE_TTL", "--log-level"]) expect(detail).toContain(`${name} must be`);
    expect(told.check("postgres")?.status).toBe("ok");
    expect(told.check("port")).toBeUndefined();
    expect(told.output).not.toContain("short-secret");
  },
);

test("settings that contradict each other are all named", SLOW, async () => {
  const told = await doctor({ CACHE: "redis", CORS_ORIGINS: "https://a.example.com", MODEL: "compatible/x" });
  for (const name of ["REDIS_URL", "CORS_ORIGINS", "MODEL_BASE_URL"]) {
    expect(told.check("settings")?.detail).toContain(name);
  }
});

test("settings with which the service would not start as workers, or with its traces, are wrong", SLOW, async () => {
  const alone = await doctor({ WORKERS: "3" });
  expect(alone.code).toBe(1);
  expect(alone.check("workers")).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("WORKERS needs DATABASE_URL") as string,
    fix: "Set it to a PostgreSQL server of yours",
  });
  const traced = await doctor({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://ada:planted-secret@127.0.0.1:4318",
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  });
  expect(traced.code).toBe(1);
  expect(traced.check("traces")).toMatchObject({
    status: "fail",
    fix: "Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
  });
  expect(traced.output).not.toContain("planted-secret");
});

test("a variable that Backscroll does not read is told, with the one that is meant", SLOW, async () => {
  const told = await doctor({
    DATABSE_URL: "x",
    REDIS_URI: "redis://x",
    BACKSCROLL_PORT: "1",
    DATABASE_URI: "y",
    EDITOR: "vi",
  });
  const { status, fix } = told.check("misspelt-settings") ?? {};
  expect(status).toBe("warn");
  for (const pair of ["DATABASE_URL is meant instead of DATABSE_URL", "REDIS_URL is meant instead of REDIS_URI"]) {
    expect(fix).toContain(pair);
  }
  expect(fix).not.toContain("EDITOR");
  expect(
    (await doctor({ REDIS_URI: "x", REDIS_URL: "redis://127.0.0.1:1" })).check("misspelt-settings"),
  ).toBeUndefined();
});

test("an option that is none exits 2", SLOW, async () => {
  expect((await runCommand(["doctor", "--everything"])).status).toBe(2);
});

test(
  "without DATABASE_URL it says where the embedded PostgreSQL would be, and makes and starts nothing",
  SLOW,
  async () => {
    const dataDir = join(temporaryDirectory(), "data");
    const told = await doctor({ BACKSCROLL_DATA_DIR: dataDir });
    expect(told.code).toBe(0);
    expect(told.check("postgres")?.detail).toContain("it is not running now");
    expect(told.check("postgres")?.detail).toContain("made at the first start");
    expect(existsSync(dataDir)).toBe(false);
  },
);

test("beside a service the embedded PostgreSQL is looked at as any other", SLOW, async () => {
  const environment = { BACKSCROLL_DATA_DIR: temporaryDirectory() };
  const { url, ended, child } = await startService([], environment);
  const told = await doctor({ ...environment, PORT: new URL(url).port });
  expect(told.troubles).toEqual([]);
  expect(told.check("migrations")?.status).toBe("ok");
  expect(told.check("disk")?.status).toBe("ok");
  child.kill("SIGTERM");
  await ended;
  const later = await doctor(environment);
  expect(later.check("postgres")?.detail).toContain("there is data");
});

test("a port that somebody else has is told with who it is", SLOW, async () => {
  const server = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const told = await doctor({ PORT: String(port) });
  expect(told.code).toBe(1);
  expect(told.check("port")).toMatchObject({
    status: "fail",
    fix: expect.stringContaining(`--port ${port + 1}`) as string,
  });
  if (process.platform === "linux") expect(told.check("port")?.detail).toContain(`process ${process.pid} `);
});

test("a service that is stopped takes connections and says nothing: exit 3, with its process", SLOW, async () => {
  const service = await startService([], { ...(await emptyDatabase()), CACHE: "off" });
  process.kill(service.pid, "SIGSTOP");
  const told = await doctor({ PORT: new URL(service.url).port }).finally(() => process.kill(service.pid, "SIGCONT"));
  expect(told.code).toBe(3);
  expect(told.check("port")).toMatchObject({ status: "fail", fix: expect.stringContaining("kill -CONT") as string });
});

test("a hit rate below the guide's 80% is a warning with what to turn", SLOW, async () => {
  const redis = await startRedis();
  const environment = { ...(await emptyDatabase()), REDIS_URL: redis.url, CACHE_TIMEOUT_MS: "10000" };
  const { url } = await startService([], environment);
  const readOnce = async (id: string): Promise<void> => {
    await post(`${url}/api/conversations`, { id });
    await fetch(`${url}/api/conversations/${id}/messages`);
  };
  await Promise.all(Array.from({ length: 110 }, (_, n) => readOnce(`c${n}`)));
  const told = await doctor({ ...environment, PORT: new URL(url).port });
  expect(told.code).toBe(0);
  expect(told.check("cache-hit-rate")).toMatchObject({
    status: "warn",
    detail: "0.0% of 110 reads since the start (target: over 80%)",
    fix: expect.stringContaining("CACHE_TTL") as string,
  });
});

test("metrics that only a token shows are read with it, and missed without", SLOW, async () => {
  const environment = { ...(await emptyDatabase()), AUTH: "required", METRICS_TOKEN: SECRET };
  const { url } = await startService([], environment);
  const PORT = new URL(url).port;
  expect((await doctor({ ...environment, PORT })).check("metrics")?.status).toBe("ok");
  const without = await doctor({ ...environment, METRICS_TOKEN: "", PORT });
  expect(without.check("metrics")).toMatchObject({
    status: "warn",
    fix: expect.stringContaining("METRICS_TOKEN") as string,
  });
  expect(without.check("cache-hit-rate")).toBeUndefined();
});

test("as long as there is no key, nobody can get in; with the first one they can", SLOW, async () => {
  const environment = { ...(await migratedDatabase()), AUTH: "required" };
  const told = await doctor(environment);
  expect(told.code).toBe(0);
  expect(told.check("keys")).toMatchObject({
    status: "warn",
    fix: expect.stringContaining("backscroll key create") as string,
  });
  await runCommand(["key", "create", "--user", "ada@example.com"], environment);
  expect((await doctor(environment)).check("keys")?.status).toBe("ok");
});

test("listening to everybody without authentication is refused before it is tried", SLOW, async () => {
  const told = await doctor({ HOST: "0.0.0.0" });
  expect(told.code).toBe(1);
  expect(told.check("access")).toMatchObject({
    status: "fail",
    fix: expect.stringContaining("AUTH=required") as string,
  });
});

test("a secret that can be guessed is a warning", SLOW, async () => {
  const told = await doctor({ JWT_SECRET: "secret".repeat(8) });
  expect(told.check("jwt-secret")?.status).toBe("warn");
  expect(told.output).not.toContain("secretsecret");
  expect((await doctor({ JWT_SECRET: SECRET })).check("jwt-secret")?.status).toBe("warn");
});

test("the keys of an identity provider are looked for", SLOW, async () => {
  const issuer = await startTokenIssuer();
  const tokens = { JWT_ISSUER: "https://id.example.com/", JWT_AUDIENCE: "backscroll" };
  const told = await doctor({ ...tokens, JWT_JWKS_URL: issuer.jwksUrl });
  expect(told.check("jwks")?.status).toBe("ok");
  issuer.answer(500, "no");
  const failing = await doctor({ ...tokens, JWT_JWKS_URL: issuer.jwksUrl });
  expect(failing.code).toBe(3);
  expect(failing.check("jwks")).toMatchObject({ status: "fail", detail: expect.stringContaining("500") as string });
});

test("a responder that is not there exits 3; one that is there is asked nothing", SLOW, async () => {
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const there = await doctor({ RESPONDER_URL: `http://127.0.0.1:${port}/agent` });
  expect(there.check("responder")?.status).toBe("ok");
  expect(asked).toBe(0);
  const away = await doctor({ RESPONDER_URL: "http://127.0.0.1:1/agent" });
  expect(away.code).toBe(3);
  expect(away.check("responder")?.fix).toContain("RESPONDER_URL");
});

test("a model without its key is told, and a key is never shown", SLOW, async () => {
  const base = { MODEL: "openai/gpt-5-mini", MODEL_BASE_URL: "http://127.0.0.1:1/v1" };
  expect((await doctor(base)).check("responder-key")).toMatchObject({
    status: "fail",
    fix: "Set OPENAI_API_KEY (or MODEL_API_KEY)",
  });
  const told = await doctor({ ...base, OPENAI_API_KEY: SECRET });
  expect(told.check("responder-key")?.status).toBe("ok");
  expect(told.output).not.toContain(SECRET);
});
