import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RedisLink } from "../src/cache/redis/redis-link.ts";
import { freePort } from "./free-port.ts";
import { linkTo, startRedis } from "./redis-server.ts";
import { temporaryDirectory } from "./service-process.ts";

const FAST = { checkIntervalMs: 100, connectTimeoutMs: 1_000 };

const answers = (link: RedisLink): Promise<boolean> =>
  link
    .node("")
    .ping()
    .then(
      () => true,
      () => false,
    );

describe("a link to one Redis", () => {
  test("is there before Redis is, refuses at once, and works when Redis comes", async () => {
    const errors: Error[] = [];
    const port = await freePort();
    const startedAt = performance.now();
    const link = await linkTo(`redis://127.0.0.1:${port}`, {
      connectTimeoutMs: 300,
      onError: (error) => errors.push(error),
    });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    const { incarnation } = link.node("");
    const askedAt = performance.now();
    await expect(link.send("", ["PING"])).rejects.toThrow("not connected");
    await expect(link.node("").ping()).rejects.toThrow("not connected");
    await expect(link.sendToAll((send) => send(["PING"]))).rejects.toThrow("not connected");
    expect(performance.now() - askedAt).toBeLessThan(50);
    // Several attempts failed alike, and one was told.
    expect(errors.map(String)).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);

    await startRedis([], port);
    await expect.poll(() => answers(link), { timeout: 3_000 }).toBe(true);
    expect(link.node("").incarnation).not.toBe(incarnation);
  });

  test("a connection that was lost comes back as another incarnation, before any command gets through", async () => {
    const link = await linkTo((await startRedis()).url);
    const { incarnation } = link.node("");
    const killed = link.send("", ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]);
    await killed.catch(() => undefined);
    // Not a poll with pauses: whatever gets through first must already be told as another incarnation.
    for (let got = false; !got; await new Promise(setImmediate)) {
      const before = link.node("").incarnation;
      got = await answers(link);
      expect(got && before === incarnation).toBe(false);
    }
    expect(link.node("").incarnation).not.toBe(incarnation);
  });

  test("a Redis that was taken for a replica and is a master again is another incarnation on the same connection", async () => {
    const [one, other] = [await startRedis(), await startRedis(["--repl-diskless-sync-delay", "0"])];
    const link = await linkTo(one.url, FAST);
    const id = await link.send("", ["CLIENT", "ID"]);
    const { incarnation } = link.node("");
    const admin = await linkTo(one.url);
    await admin.send("", ["REPLICAOF", "127.0.0.1", String(other.port)]);
    const isInSync = async (): Promise<boolean> =>
      String(await admin.send("", ["INFO", "replication"])).includes("master_link_status:up");
    await expect.poll(isInSync, { timeout: 15_000 }).toBe(true);
    await admin.send("", ["REPLICAOF", "NO", "ONE"]);
    await expect.poll(() => link.node("").incarnation === incarnation).toBe(false);
    expect(await link.send("", ["CLIENT", "ID"])).toBe(id);
  });

  test("a restart behind a proxy that keeps the connection is another incarnation", async () => {
    const redis = await startRedis();
    const relay = await startRelay(redis.port);
    // It is asked who it is so often, and left when it does not say within as long: longer than a restart takes.
    const link = await linkTo(relay.url, { ...FAST, checkIntervalMs: 1_000 });
    const { incarnation } = link.node("");
    redis.child.kill("SIGKILL");
    await once(redis.child, "exit");
    await startRedis([], redis.port);
    await expect.poll(() => link.node("").incarnation === incarnation, { timeout: 10_000 }).toBe(false);
    expect(relay.accepted()).toBe(1);
  });

  test("a Redis that is too old is not used, and the reason is told", async () => {
    const redis = await startRedis();
    const relay = await startRelay(redis.port, (reply) =>
      Buffer.from(reply.toString("latin1").replace(/(redis_version:)\d/, "$16"), "latin1"),
    );
    const errors: Error[] = [];
    const link = await linkTo(relay.url, { connectTimeoutMs: 200, onError: (error) => errors.push(error) });
    expect(await answers(link)).toBe(false);
    expect(errors.map(String)).toEqual([expect.stringMatching(/Redis 6\.\S+ is too old: 7\.0 or later/)]);
  });

  test("a command on a connection that dies is refused and never sent again", async () => {
    const redis = await startRedis();
    const relay = await startRelay(redis.port);
    const link = await linkTo(relay.url, { checkIntervalMs: 60_000 });
    relay.swallow();
    const swallowed = Promise.allSettled(Array.from({ length: 10 }, () => link.send("", ["INCR", "n"])));
    await expect.poll(() => relay.swallowed()).toContain("INCR");
    // Some not written yet when the connection dies.
    relay.cut();
    const unwritten = Promise.allSettled(Array.from({ length: 10 }, () => link.send("", ["INCR", "n"])));
    for (const { status } of [...(await swallowed), ...(await unwritten)]) expect(status).toBe("rejected");
    await expect.poll(() => answers(link)).toBe(true);
    expect(await link.send("", ["GET", "n"])).toBeNull();
  });

  test("a Redis that hangs is left, and comes back as another incarnation", async () => {
    const redis = await startRedis();
    const link = await linkTo(redis.url, FAST);
    const { incarnation } = link.node("");
    redis.child.kill("SIGSTOP");
    const pending = link.send("", ["GET", "x"]);
    await expect(pending).rejects.toThrow("Disconnects client");
    await expect.poll(() => link.send("", ["PING"]).catch(String)).toContain("not connected");
    redis.child.kill("SIGCONT");
    await expect.poll(() => answers(link), { timeout: 3_000 }).toBe(true);
    expect(link.node("").incarnation).not.toBe(incarnation);
  });

  test("closing refuses what a hanging Redis has not answered", async () => {
    const redis = await startRedis();
    const link = await linkTo(redis.url);
    redis.child.kill("SIGSTOP");
    const pending = link.send("", ["GET", "x"]);
    link.close();
    await expect(pending).rejects.toThrow("Disconnects client");
    await expect(link.send("", ["PING"])).rejects.toThrow("not connected");
  });

  test("a closed link keeps no process alive: with Redis there, hanging, or away", async () => {
    const [there, hanging] = [await startRedis(), await startRedis()];
    hanging.child.kill("SIGSTOP");
    const away = `redis://127.0.0.1:${await freePort()}`;
    const urls = [there.url, hanging.url, away];
    for (const { port } of [there, hanging]) urls.push(`redis+cluster://127.0.0.1:${port}`);
    urls.push(away.replace("redis:", "redis+cluster:"), `${away.replace("redis:", "redis+sentinel:")}/chat`);
    urls.push(`redis+sentinel://127.0.0.1:${hanging.port}/chat`);
    // 192.0.2.0/24 is nobody's: connecting neither succeeds nor fails.
    urls.push("redis://192.0.2.1", "rediss://192.0.2.1");
    const source = `
      import { connectRedis } from ${JSON.stringify(new URL("../src/cache/redis/link.ts", import.meta.url))};
      const options = { connectTimeoutMs: 200, onError: () => undefined };
      const links = await Promise.all(${JSON.stringify(urls)}.map((url) => connectRedis(url, options)));
      for (const link of links) link.close();
      console.log("closed", links.length);`;
    const { stdout } = await runScript(source);
    expect(stdout).toBe(`closed ${urls.length}\n`);
  });
});

describe("a user, a database, and TLS", () => {
  test("the user and password of the URL, percent-encoded, and nobody else", async () => {
    const redis = await startRedis(["--user", "ada:ß", "on", ">p@ss/w:rd%", "~*", "+@all", "--user", "default", "off"]);
    const host = `127.0.0.1:${redis.port}`;
    const link = await linkTo(`redis://${encodeURIComponent("ada:ß")}:${encodeURIComponent("p@ss/w:rd%")}@${host}`);
    expect(await answers(link)).toBe(true);
    const errors: Error[] = [];
    const options = { connectTimeoutMs: 300, onError: (error: Error) => void errors.push(error) };
    expect(await answers(await linkTo(`redis://ada:SECRET@${host}`, options))).toBe(false);
    expect(await answers(await linkTo(`redis://${host}`, options))).toBe(false);
    expect(String(errors[0])).toContain("WRONGPASS");
    expect(errors.map(String).join(" ")).not.toContain("SECRET");
  });

  test("a password alone is the default user's", async () => {
    const redis = await startRedis(["--requirepass", "s3cret"]);
    expect(await answers(await linkTo(`redis://:s3cret@127.0.0.1:${redis.port}`))).toBe(true);
  });

  test("a user without the right to INFO is served", async () => {
    const redis = await startRedis(["--user", "app", "on", "nopass", "~*", "+@all", "-@dangerous"]);
    const link = await linkTo(`redis://app:any@127.0.0.1:${redis.port}`, FAST);
    const { incarnation } = link.node("");
    await expect(link.send("", ["INFO"])).rejects.toThrow("NOPERM");
    const since = performance.now();
    await expect.poll(() => performance.now() - since).toBeGreaterThan(3 * FAST.checkIntervalMs);
    expect(await answers(link)).toBe(true);
    expect(link.node("").incarnation).toBe(incarnation);
  });

  test("the database's number", async () => {
    const { url } = await startRedis();
    const [zero, two] = [await linkTo(url), await linkTo(`${url}/2`)];
    await two.send("", ["SET", "x", "two"]);
    expect(await zero.send("", ["GET", "x"])).toBeNull();
    await two.send("", ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]).catch(() => undefined);
    await expect.poll(() => two.send("", ["GET", "x"]).catch(() => null)).toEqual(Buffer.from("two"));
  });

  test("TLS, trusting the authority that NODE_EXTRA_CA_CERTS names, and no other", async () => {
    const directory = temporaryDirectory();
    const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
    const subject = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    const command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost";
    const [program = "", ...request] = command.split(" ");
    const made = spawnSync(program, [...request, "-addext", subject, "-keyout", key, "-out", certificate]);
    expect(made.status, String(made.stderr)).toBe(0);
    const tlsPort = await freePort();
    const files = `--tls-cert-file ${certificate} --tls-key-file ${key} --tls-ca-cert-file ${certificate}`;
    await startRedis(["--tls-port", String(tlsPort), ...files.split(" "), "--tls-auth-clients", "no"]);
    const source = `
      import { connectRedis } from ${JSON.stringify(new URL("../src/cache/redis/link.ts", import.meta.url))};
      const onError = (error) => console.log(error.message);
      const link = await connectRedis("rediss://127.0.0.1:${tlsPort}", { connectTimeoutMs: 1_000, onError });
      console.log(await link.send("", ["PING"]).catch((error) => error.message));
      link.close();`;
    expect((await runScript(source, { NODE_EXTRA_CA_CERTS: certificate })).stdout).toBe("PONG\n");
    expect((await runScript(source)).stdout).toMatch(/self-signed certificate.*\nnot connected to Redis\n$/);
  });
});

function runScript(source: string, environment: Record<string, string> = {}): Promise<{ stdout: string }> {
  const args = ["--conditions=backscroll-source", "--input-type=module", "--eval", source];
  const env = { PATH: process.env["PATH"] ?? "", ...environment };
  return promisify(execFile)(process.execPath, args, { env, timeout: 10_000 });
}

interface Relay {
  readonly url: string;
  /** how many connections were made to it */
  accepted(): number;
  /** From now on nothing is passed on, until the connection is cut. */
  swallow(): void;
  swallowed(): string;
  /** Ends the connections of both sides. */
  cut(): void;
}

/** A proxy as they stand before managed servers: the client's connection outlives the server's. */
async function startRelay(redisPort: number, translate: (reply: Buffer) => Buffer = (reply) => reply): Promise<Relay> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  let swallowed: string | null = null;
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined); // `close` follows
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    accepted += 1;
    track(client);
    let redis: Socket | null = null;
    const toRedis = (): Socket => {
      const socket = connect(redisPort, "127.0.0.1");
      track(socket);
      socket.on("data", (chunk) => client.write(translate(chunk)));
      socket.on("close", () => (redis = null));
      return (redis = socket);
    };
    client.on("data", (chunk) => {
      if (swallowed === null) (redis ?? toRedis()).write(chunk);
      else swallowed += String(chunk);
    });
    client.on("close", () => redis?.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    server.close();
    cut();
  });
  return {
    url: `redis://127.0.0.1:${address.port}`,
    accepted: () => accepted,
    swallow: () => void (swallowed = ""),
    swallowed: () => swallowed ?? "",
    cut() {
      swallowed = null;
      cut();
    },
  };
}
