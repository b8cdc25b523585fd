import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import { BackscrollError, type ErrorCode } from "../src/domain/errors.ts";
import { STATUS } from "../src/http/errors.ts";
import { resultOf } from "../src/service/observe.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const POLL = { timeout: 20_000, interval: 20 };

/** @returns how often each operation was asked for, by how it went */
async function counts({ registry }: Services): Promise<Record<string, number>> {
  const text = await registry.getSingleMetricAsString("backscroll_operation_duration_seconds");
  const found = text.matchAll(/_count\{operation="(\w+)",result="(\w+)"\} (\d+)/g);
  return Object.fromEntries(
    [...found].map(([, operation, result, count]) => [`${operation} ${result}`, Number(count)]),
  );
}

test("what is asked of the service counts once, by HTTP as in its process", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "a" });
  await services.call(ADA, "POST", "/api/conversations/a/messages", { role: "user", content: "hi" });
  await services.call(ADA, "GET", "/api/conversations/a/messages");
  await services.call(ADA, "GET", "/api/conversations/a/messages?page=1");
  await services.call(ADA, "GET", "/api/conversations");
  await services.call(ADA, "GET", "/api/conversations/none");
  await services.call(ADA, "POST", "/api/chat", { message: "hi", session_id: "s" });
  await services.call(ADA, "DELETE", "/api/conversations/a");
  const byHttp = await counts(services);
  const { conversations } = services;
  await conversations.createConversation(ADA, { id: "b" });
  await conversations.saveMessage(ADA, "b", { role: "user", content: "hi" });
  await conversations.getRecentMessages(ADA, "b");
  await conversations.getFullHistory(ADA, "b");
  await conversations.listUserConversations(ADA);
  await expect(conversations.getConversation(ADA, "none")).rejects.toThrow("no such conversation");
  await conversations.sendMessage(ADA, { message: "hi", sessionId: "t" });
  await conversations.deleteConversation(ADA, "b");
  const both = await counts(services);

  expect(byHttp).toEqual({
    "createConversation ok": 1,
    "saveMessage ok": 1,
    "getRecentMessages ok": 1,
    "getFullHistory ok": 1,
    "listUserConversations ok": 1,
    "getConversation refused": 1,
    "startTurn ok": 1,
    "deleteConversation ok": 1,
  });
  expect(both).toEqual(Object.fromEntries(Object.keys(byHttp).map((name) => [name, 2])));
});

test("an operation is logged with its time, and one that is slow as a warning", async () => {
  const { databaseUrl, drop } = await newSchema();
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(text: Buffer, _, done) {
      lines.push(JSON.parse(text.toString()) as Record<string, unknown>);
      done();
    },
  });
  const logger = pino({ level: "debug", base: null }, sink);
  const [usual, impatient] = [
    await createServices({ databaseUrl, logger }),
    await createServices({ databaseUrl, logger, slowOperationMs: 1 }),
  ];
  onTestFinished(async () => {
    await Promise.all([usual.close(), impatient.close()]);
    await drop();
  });
  const operations = () => lines.filter((line) => "operation" in line);

  await usual.conversations.createConversation(ADA, { id: "planted" });
  await expect(usual.conversations.getConversation(ADA, "none")).rejects.toThrow("no such conversation");
  const [created, refused] = operations();
  expect(created).toMatchObject({ level: 20, operation: "createConversation", result: "ok" });
  expect(created?.["msg"]).toMatch(/^createConversation completed in \d+\.\d\d ms$/);
  expect(refused).toMatchObject({ level: 20, result: "refused", code: "conversation_not_found" });
  expect(refused?.["msg"]).toMatch(/^getConversation refused in /);

  await expect
    .poll(async () => {
      await impatient.conversations.saveMessage(ADA, "planted", { role: "user", content: "hi" });
      return operations().some(({ level, operation }) => level === 40 && operation === "saveMessage");
    }, POLL)
    .toBe(true);
  // However long it takes: that says nothing.
  await impatient.conversations.eraseUser(ADA);
  expect(operations().at(-1)).toMatchObject({ level: 20, operation: "eraseUser" });
  expect(JSON.stringify(operations())).not.toContain("planted");
});

test("the service is at fault exactly where it answers 500 and more", () => {
  for (const [code, status] of Object.entries(STATUS)) {
    expect(resultOf(new BackscrollError(code as ErrorCode, "")), code).toBe(status >= 500 ? "failed" : "refused");
  }
  expect(resultOf(new TypeError("a bug"))).toBe("failed");
});
