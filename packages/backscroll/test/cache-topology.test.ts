import { once } from "node:events";
import { expect, test } from "vitest";
import { slotOf } from "../src/cache/redis/slots.ts";
import type { RedisLink } from "../src/cache/redis/redis-link.ts";
import { linkTo, type RedisCluster, startRedis, startRedisNodes, startSentinel } from "./redis-server.ts";

const FAST = { checkIntervalMs: 200 };
const SLOW = { timeout: 30_000 };
const LONG = { timeout: 60_000 };

const set = (link: RedisLink, key: string): Promise<unknown> =>
  link.send(key, ["SET", key, "value"]).catch((error: unknown) => String(error));

test("a failover by Sentinel: the new master is found, and is another incarnation", SLOW, async () => {
  const master = await startRedis(["--repl-diskless-sync-delay", "0"]);
  const replica = await startRedis(["--replicaof", `127.0.0.1 ${master.port}`]);
  const sentinel = await startSentinel(master.port);
  const link = await linkTo(sentinel.url, FAST);
  const before = link.node("");
  const { incarnation } = before;
  expect(before.name).toBe(`127.0.0.1:${master.port}`);
  expect(await set(link, "x")).toBe("OK");

  const asked = await linkTo(`redis://127.0.0.1:${sentinel.port}`);
  const failover = (): Promise<string> => asked.send("", ["SENTINEL", "FAILOVER", "chat"]).then(String, String);
  // Until it has met the replica it has none to promote.
  await expect.poll(failover, SLOW).toBe("OK");
  await expect.poll(() => link.node("").name, SLOW).toBe(`127.0.0.1:${replica.port}`);
  expect(link.node("").incarnation).not.toBe(incarnation);
  expect(await set(link, "x")).toBe("OK");
  // Whoever waits for the old master, alive or not, waits no longer.
  await before.ping();
});

test("a master that Sentinel has replaced is left, even while it answers as one", SLOW, async () => {
  const [old, next] = [await startRedis(), await startRedis()];
  const sentinel = await startSentinel(old.port);
  const link = await linkTo(sentinel.url, FAST);
  const { name, incarnation } = link.node("");
  expect(name).toBe(`127.0.0.1:${old.port}`);
  const asked = await linkTo(`redis://127.0.0.1:${sentinel.port}`);
  await asked.send("", ["SENTINEL", "REMOVE", "chat"]);
  await asked.send("", ["SENTINEL", "MONITOR", "chat", "127.0.0.1", String(next.port), "1"]);
  await expect.poll(() => link.node("").name).toBe(`127.0.0.1:${next.port}`);
  expect(link.node("").incarnation).not.toBe(incarnation);
  expect(await set(link, "x")).toBe("OK");
});

test("a Sentinel without a password, and one with the master's, are both asked", SLOW, async () => {
  const master = await startRedis(["--requirepass", "s3cret"]);
  const auth = "sentinel auth-pass chat s3cret";
  for (const settings of [[auth], [auth, "requirepass s3cret"]]) {
    const sentinel = await startSentinel(master.port, settings);
    const link = await linkTo(sentinel.url.replace("//", "//:s3cret@"), FAST);
    expect(await set(link, "x")).toBe("OK");
  }
});

test("a master that no Sentinel knows is told as such", SLOW, async () => {
  const master = await startRedis();
  const sentinel = await startSentinel(master.port);
  const errors: string[] = [];
  const link = await linkTo(sentinel.url.replace("/chat", "/other"), {
    ...FAST,
    connectTimeoutMs: 200,
    onError: ({ message }) => errors.push(message),
  });
  expect(await set(link, "x")).toContain("not connected");
  expect(errors).toEqual([expect.stringContaining('"other"')]);
});

test("a replica that Sentinel names by mistake is not used", SLOW, async () => {
  const master = await startRedis(["--repl-diskless-sync-delay", "0"]);
  const sentinel = await startSentinel(master.port);
  const other = await startRedis(["--repl-diskless-sync-delay", "0"]);
  const link = await linkTo(sentinel.url, FAST);
  const admin = await linkTo(master.url);
  await admin.send("", ["REPLICAOF", "127.0.0.1", String(other.port)]);
  await expect.poll(() => set(link, "x"), SLOW).toContain("not connected");
});

test("keys of a cluster that change hands are of another incarnation, and the others are not", LONG, async () => {
  const cluster = await startRedisNodes(1);
  const link = await linkTo(cluster.url, FAST);
  const keys = Array.from({ length: 30 }, (_, n) => `conversation:{${n}}`);
  const incarnations = (): Map<string, { name: string; incarnation: object }> =>
    new Map(keys.map((key) => [key, { name: link.node(key).name, incarnation: link.node(key).incarnation }]));
  for (const key of keys) expect(await set(link, key)).toBe("OK");
  const before = incarnations();
  expect(new Set(Array.from(before.values(), ({ name }) => name)).size).toBe(3);

  const [key = ""] = keys;
  const failed = link.node(key);
  const failOver = async (to: RedisLink): Promise<void> => {
    const { name } = link.node(key);
    // Redis gives a failover up that takes too long.
    const ask = (): Promise<string> => to.send("", ["CLUSTER", "FAILOVER"]).then(() => link.node(key).name, String);
    await expect.poll(ask, { ...SLOW, interval: 300 }).not.toBe(name);
    await expect.poll(() => set(link, key), SLOW).toBe("OK");
  };
  await failOver(await replicaOf(cluster, failed.name));
  for (const [key, { name, incarnation }] of before) {
    expect(link.node(key).incarnation === incarnation).toBe(name !== failed.name);
    expect(await set(link, key)).toBe("OK");
  }
  // It holds nothing any more: whoever waits for it waits no longer.
  await failed.ping();

  // Back on the first server, which was there all the time.
  await failOver(await replicaOf(cluster, link.node(key).name));
  expect(link.node(key).name).toBe(failed.name);
  expect(link.node(key).incarnation).not.toBe(before.get(key)?.incarnation);
});

test("a cluster's node that dies refuses its keys only, until its replica is master", LONG, async () => {
  const cluster = await startRedisNodes(1);
  // So that only the lost connection makes it ask who has the slots.
  const link = await linkTo(cluster.url, { checkIntervalMs: 60_000 });
  const [dying, living] = cluster.nodes;
  const keyOn = (port: number | undefined): string =>
    Array.from({ length: 300 }, (_, n) => `{${n}}`).find((key) => link.node(key).name === `127.0.0.1:${port}`) ?? "";
  const [lost, kept] = [keyOn(dying?.port), keyOn(living?.port)];
  // Just connected, it asks a few times more by itself.
  const openedAt = performance.now();
  await expect.poll(() => performance.now() - openedAt).toBeGreaterThan(500);
  dying?.child.kill("SIGKILL");
  if (dying) await once(dying.child, "exit");
  await expect.poll(() => set(link, lost)).toContain("not connected");
  expect(await set(link, kept)).toBe("OK");
  await expect(link.sendToAll((send) => send(["DBSIZE"]))).rejects.toThrow("without a connection");
  await expect.poll(() => set(link, lost), SLOW).toBe("OK");
  expect(await link.sendToAll((send) => send(["DBSIZE"]))).toHaveLength(3);
});

test("a slot that moves is followed, and is then of another incarnation", LONG, async () => {
  const cluster = await startRedisNodes(0);
  // So that only a redirection can tell of the move.
  const link = await linkTo(cluster.url, { checkIntervalMs: 60_000 });
  const key = "{moving}";
  const { name, incarnation } = link.node(key);
  const from = cluster.nodes.find(({ port }) => name.endsWith(`:${port}`));
  const to = cluster.nodes.find(({ port }) => !name.endsWith(`:${port}`));
  const admins = await Promise.all(cluster.nodes.map(({ url }) => linkTo(url)));
  const target = await linkTo(to?.url ?? "");
  const id = String(await target.send("", ["CLUSTER", "MYID"]));
  // The new owner first: https://redis.io/docs/latest/commands/cluster-setslot/
  await target.send("", ["CLUSTER", "SETSLOT", String(slotOf(key)), "NODE", id]);
  for (const admin of admins) await admin.send("", ["CLUSTER", "SETSLOT", String(slotOf(key)), "NODE", id]);
  expect(link.node(key).name).toBe(`127.0.0.1:${from?.port}`);
  expect(await set(link, key)).toBe("OK");
  expect(link.node(key).name).toBe(`127.0.0.1:${to?.port}`);
  expect(link.node(key).incarnation).not.toBe(incarnation);
});

test("a cluster that wants a user, and whose node does not know its own address", SLOW, async () => {
  const user = ["--user", "ada", "on", ">p@ss/word", "~*", "+@all", "--user", "default", "off"];
  const { port } = await startRedis(["--cluster-enabled", "yes", ...user]);
  const url = `//ada:${encodeURIComponent("p@ss/word")}@127.0.0.1:${port}`;
  const admin = await linkTo(`redis:${url}`);
  const link = await linkTo(`redis+cluster:${url}`, { connectTimeoutMs: 100 });
  expect(link.node("x").name).toBe("no master");
  await expect(link.node("x").ping()).rejects.toThrow("no master for this slot");
  expect(await set(link, "x")).toContain("no master for this slot");
  const unknown = link.node("x");
  await admin.send("", ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
  await expect.poll(() => set(link, "x"), SLOW).toBe("OK");
  expect(link.node("x").name).toBe(`127.0.0.1:${port}`);
  await unknown.ping();
});

test("the slot of a key is the one that Redis computes", async () => {
  const { url } = await startRedis(["--cluster-enabled", "yes"]);
  const link = await linkTo(url);
  for (const key of [
    "",
    "a",
    "123456789",
    "{a}b",
    "x{a}{b}",
    "{}a",
    "x{}a",
    "{a",
    "a}b{",
    "ß{€😀}",
    "p:conversation:{7:0192}:version",
  ])
    expect(slotOf(key), key).toBe(await link.send("", ["CLUSTER", "KEYSLOT", key]));
});

/** @returns a link to the replica of this master */
async function replicaOf({ nodes }: RedisCluster, master: string): Promise<RedisLink> {
  for (const { url } of nodes) {
    const link = await linkTo(url);
    const info = String(await link.send("", ["INFO", "replication"]));
    if (info.includes("role:slave") && info.includes(`master_port:${master.split(":")[1]}\r`)) {
      await expect
        .poll(async () => String(await link.send("", ["INFO", "replication"])), SLOW)
        .toContain("link_status:up");
      return link;
    }
  }
  throw new Error(`no replica of ${master}`);
}

test(
  "while a slot moves, each of its keys is found on its side, and the rest of the cluster is not disturbed",
  LONG,
  async () => {
    const { url, nodes } = await startRedisNodes(0);
    const link = await linkTo(url, FAST);
    const [moving, staying] = ["{moving}a", "{moving}b"];
    for (const key of [moving, staying]) expect(await set(link, key)).toBe("OK");
    const from = nodes.find(({ port }) => link.node(moving).name.endsWith(`:${port}`));
    const to = nodes.find((node) => node !== from);
    if (!from || !to) throw new Error("a key is on one of three nodes");
    const [source, target] = [await linkTo(from.url), await linkTo(to.url)];
    const idOf = async (node: RedisLink): Promise<string> => String(await node.send("", ["CLUSTER", "MYID"]));
    const slot = String(slotOf(moving));
    await target.send("", ["CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(source)]);
    await source.send("", ["CLUSTER", "SETSLOT", slot, "MIGRATING", await idOf(target)]);
    await source.send("", ["MIGRATE", "127.0.0.1", String(to.port), moving, "0", "5000"]);

    expect(String(await link.send(moving, ["GET", moving]))).toBe("value");
    expect(String(await link.send(staying, ["GET", staying]))).toBe("value");
    // Both keys at once: on neither side, until the move is over.
    await expect(link.send(moving, ["DEL", moving, staying])).rejects.toThrow("TRYAGAIN");
    await source.send("", ["MIGRATE", "127.0.0.1", String(to.port), staying, "0", "5000"]);
    for (const node of [target, source]) await node.send("", ["CLUSTER", "SETSLOT", slot, "NODE", await idOf(target)]);
    await expect.poll(() => link.send(moving, ["DEL", moving, staying]).then(Number, String), SLOW).toBe(2);
  },
);
