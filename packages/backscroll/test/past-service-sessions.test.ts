import { expect, test, vi } from "vitest";
import { ADA } from "./cache-fixture.ts";
import { startWriter, TWO_SERVERS, type Writer } from "./past-service.ts";
import type { Answer, Services } from "./services.ts";

interface Started {
  readonly servers: readonly [Services, Services];
  readonly writer: Writer;
}

const PATH = "/api/sessions/tab";

/** Two servers that have Ada's session `tab`, which is in her conversation `c`, in their cache. */
const SETUPS = TWO_SERVERS.map(([cache, start]) => {
  return [
    cache,
    async (): Promise<Started> => {
      const servers = await start(["m1"]);
      await servers[0].call(ADA, "PUT", PATH, { conversation_id: "c", context: { city: "Rome" } });
      for (const server of servers) await untilHit(server);
      return { servers, writer: await startWriter(servers[0]) };
    },
  ] as const;
});

function get(server: Services): Promise<Answer> {
  return server.call(ADA, "GET", PATH);
}

async function untilHit(server: Services): Promise<void> {
  await expect.poll(async () => (await get(server)).headers.get("x-backscroll-cache")).toBe("hit");
}

/** Says that it has told everybody, and has told nobody. */
const SILENT_TRASH = "update conversations set deleted_at = now(), version = version + 1 where client_id = 'c'";
const SILENT_DELETION = `
  set session_replication_role = replica;
  delete from sessions; delete from messages; delete from conversations;
  set session_replication_role = origin`;

test.for(SETUPS)(
  "a session goes to the trash with its conversation, comes back, or is deleted past the service, on every server, %s",
  async ([, start]) => {
    const { servers, writer } = await start();
    const statuses = (): Promise<number[]> => Promise.all(servers.map(async (server) => (await get(server)).status));
    await writer.query("update conversations set deleted_at = now()");
    await expect.poll(statuses).toEqual([404, 404]);
    await writer.query("update conversations set deleted_at = null");
    await expect.poll(statuses).toEqual([200, 200]);
    for (const server of servers) await untilHit(server);
    await writer.query("delete from conversations");
    await expect.poll(statuses).toEqual([404, 404]);
  },
);

test.for(SETUPS)(
  "sessions go with a person who is deleted past the service, on every server, %s",
  async ([, start]) => {
    const { servers, writer } = await start();
    await writer.query("delete from users where id = $1", [writer.userId]);
    for (const server of servers) await expect.poll(async () => (await get(server)).status).toBe(404);
  },
);

test.for(SETUPS)("a session of another conversation stays cached, %s", async ([, start]) => {
  const { servers, writer } = await start();
  await servers[0].call(ADA, "POST", "/api/conversations", { id: "d" });
  await servers[0].call(ADA, "PUT", "/api/sessions/other", { conversation_id: "d" });
  await writer.query("update conversations set deleted_at = now() where client_id = 'd'");
  for (const server of servers) {
    await expect.poll(async () => (await server.call(ADA, "GET", "/api/sessions/other")).status).toBe(404);
    expect((await get(server)).headers.get("x-backscroll-cache")).toBe("hit");
  }
});

type Use = (server: Services) => Promise<unknown>;

const USES: readonly (readonly [string, Use])[] = [
  ["an append of the library", (server) => server.sessionStore({ user: ADA }).append("tab", { role: "user" })],
  [
    "an append over HTTP",
    (server) => server.call(ADA, "POST", `${PATH}/messages`, { messages: [{ role: "user", content: "Hi" }] }),
  ],
  ["a change of its context", (server) => server.sessionStore({ user: ADA }).updateContext("tab", { city: "Pisa" })],
  ["a context of its own", (server) => server.sessionStore({ user: ADA }).setContext("tab", { city: "Pisa" })],
  ["a turn", (server) => server.call(ADA, "POST", "/api/chat", { message: "Hi", session_id: "tab" })],
];

test.for(
  SETUPS.flatMap(([cache, start]) =>
    USES.flatMap(([use, run]) => [
      [use, "in the trash", cache, start, run, SILENT_TRASH] as const,
      [use, "deleted", cache, start, run, SILENT_DELETION] as const,
    ]),
  ),
)(
  "%s gives a session whose conversation is %s a new one at once, where nobody was told, %s",
  async ([, , , start, use, silently]) => {
    const { servers, writer } = await start();
    for (const each of silently.split(";")) await writer.query(each);
    const [server] = servers;
    const queries = vi.spyOn(server.deps.db, "query");
    await use(server);
    expect(queries.mock.calls.length).toBeLessThan(30);
    queries.mockRestore();
    const { status, json } = await get(server);
    expect(status).toBe(200);
    expect(json.conversation_id).not.toBe("c");
  },
);
