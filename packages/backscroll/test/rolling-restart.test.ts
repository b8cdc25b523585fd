import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "./redis-server.ts";
import { startSteadyLoad } from "./steady-load.ts";
import { openUiStream } from "./ui-stream.ts";
import { PATIENTLY, isAlive, said, startWorkers } from "./workers-fixture.ts";
import { slowResponder } from "./slow-responder.ts";

const RESTARTS = 3;

/** @returns the ids of a conversation's messages, oldest first */
async function idsIn(url: string, conversation: string): Promise<readonly string[]> {
  const response = await fetch(`${url}/api/conversations/${conversation}/export?format=json`);
  const { conversations } = (await response.json()) as { conversations: { messages: { id: string }[] }[] };
  return conversations.flatMap(({ messages }) => messages.map(({ id }) => id));
}

test(
  "under load, three rolling restarts of three workers fail no request, and what was acknowledged is there once",
  { timeout: 900_000 },
  async () => {
    const redis = await startRedis();
    const service = await startWorkers(3, { REDIS_URL: redis.url });
    const load = await startSteadyLoad(service.url);
    await expect.poll(() => Object.keys(load.answered).length, { timeout: 60_000 }).toBe(9);
    for (let restart = 0; restart < RESTARTS; restart += 1) {
      const before = service.workerPids();
      await service.restart();
      const after = service.workerPids();
      expect(after).toHaveLength(3);
      expect(before.filter((pid) => isAlive(pid))).toEqual([]);
    }
    await load.stop();

    expect(load.failures).toEqual([]);
    for (const count of Object.values(load.answered)) expect(count).toBeGreaterThan(RESTARTS);
    for (const [conversation, acknowledged] of load.acknowledged) {
      const stored = await idsIn(service.url, conversation);
      expect(new Set(stored).size).toBe(stored.length);
      expect(acknowledged.filter((id) => !stored.includes(id))).toEqual([]);
    }
  },
);

test(
  "a reply that is being written when its worker is told to leave is finished there, and streamed to its end",
  PATIENTLY,
  async () => {
    const responder = await slowResponder();
    const service = await startWorkers(2, {}, ["--responder-url", responder.url]);
    const turn = { message: "hello", message_id: "q", stream: true };
    const stream = openUiStream(`${service.url}/api/conversations/messages`, turn);
    await responder.asked;
    const restarted = service.restart();
    await said(service, "Restarting 2 workers");
    await said(service, "1 of 2 is new");
    responder.release();

    expect(await (await stream).whole).toMatchObject({ ending: "finish", text: "late, but here" });
    await restarted;
  },
);

test(
  "a new worker that does not start ends the restart: the old ones go on, and it is said why",
  PATIENTLY,
  async () => {
    const service = await startWorkers(2);
    const before = service.workerPids();
    const client = new pg.Client({ connectionString: service.databaseUrl });
    await client.connect();
    onTestFinished(() => client.end());
    // What every worker reads first.
    await client.query("alter table installation rename to hidden");
    service.child.kill("SIGHUP");
    await said(service, "the restart was given up");
    expect(service.stderr()).toContain('relation "installation" does not exist');
    await expect.poll(() => service.workerPids(), { timeout: 60_000 }).toEqual(before);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    await client.query("alter table hidden rename to installation");
    await service.restart();
    expect(service.workerPids().filter((pid) => before.includes(pid))).toEqual([]);
  },
);
