import { expect, onTestFinished, test } from "vitest";
import { ADA, startCached } from "./cache-fixture.ts";
import { openTab } from "./events-fixture.ts";
import { eventually } from "./live-fixture.ts";
import { makeConversation, startWriter } from "./past-service.ts";
import { createServices, newSchema } from "./services.ts";

const RESYNC = { type: "resync" };

test("open tabs at every server are told once to read again what was written past the service", async () => {
  const { services, another } = await startCached(1);
  const servers = [services, await another(), await another()];
  const tabs = [];
  for (const server of servers) tabs.push(await openTab(server, ADA));
  const bob = await openTab(services, "bob@example.com");
  const writer = await startWriter(services);
  await writer.query("begin");
  for (let n = 0; n < 10; n += 1) await writer.insert();
  await writer.query("commit");
  for (const tab of tabs) await eventually(() => tab.heard).toEqual([RESYNC]);
  // What came after it would be told after it.
  await services.call(ADA, "POST", "/api/conversations", { id: "next" });
  for (const tab of tabs)
    await eventually(() => tab.heard).toEqual([RESYNC, { type: "conversation_created", conversation_id: "next" }]);
  expect(bob.heard).toEqual([]);
});

test("when the server that told the others' tabs is gone, another one does", async () => {
  const { services, another } = await startCached(1);
  const others = [await another(), await another()];
  const writer = await startWriter(services);
  const first = await openTab(services, ADA);
  await writer.insert();
  await eventually(() => first.heard).toEqual([RESYNC]);
  for (const gone of [services, others[0]]) {
    await gone?.close();
    const tab = await openTab(others[1] as typeof services, ADA);
    await writer.insert();
    await eventually(() => tab.heard).toEqual([RESYNC]);
    await tab.close();
  }
});

test("without Redis each server tells its own tabs", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const servers = [await createServices({ databaseUrl }), await createServices({ databaseUrl })] as const;
  for (const server of servers) onTestFinished(() => server.close());
  await makeConversation(servers[0]);
  const tabs = [await openTab(servers[0], ADA), await openTab(servers[1], ADA)];
  await (await startWriter(servers[0])).insert();
  for (const tab of tabs) await eventually(() => tab.heard).toEqual([RESYNC]);
});
