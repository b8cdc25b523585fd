import { expect } from "vitest";
import { BackscrollApiError } from "../src/index.ts";
import { failureOf, said, test } from "./running-service.ts";

test("an error has the service's code, detail and request id", async ({ client, clientWith }) => {
  const failure = await failureOf(client.getConversation("nowhere"));

  expect(failure).toBeInstanceOf(BackscrollApiError);
  expect(failure).toMatchObject({
    name: "BackscrollApiError",
    status: 404,
    code: "conversation_not_found",
    detail: "no such conversation",
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    errors: [],
    retryAfterSeconds: undefined,
    message: expect.stringMatching(/^404 conversation_not_found: no such conversation \(request [0-9a-f-]{36}\)$/),
  });
  expect(await failureOf(clientWith({ headers: {} }).getMe())).toMatchObject({ status: 401, code: "unauthenticated" });
});

test("an invalid request names each field", async ({ client }) => {
  const failure = await failureOf(client.createConversation({ title: "", id: "a b" }));

  expect(failure).toMatchObject({ status: 400, code: "invalid_request" });
  expect((failure as BackscrollApiError).errors.map(({ path }) => path).toSorted()).toEqual(["id", "title"]);
});

test("a proxy's HTML is an error with its status and the beginning of its text", async ({ proxy, client }) => {
  const page = `<html>\n<h1>502 Bad Gateway</h1>${"<p>nginx</p>".repeat(100)}</html>`;
  proxy.faults.push({ status: 502, headers: { "content-type": "text/html", "x-request-id": "edge-1" }, body: page });

  const failure = await failureOf(client.getMe({ retries: 0 }));

  expect(failure).toMatchObject({ status: 502, code: "unreadable_answer", requestId: "edge-1" });
  expect((failure as Error).message).toMatch(/^502 unreadable_answer: .*<h1>502 Bad Gateway<\/h1>.*…/);
});

test("an answer 200 that is not JSON, or nothing, is an error too", async ({ proxy, client }) => {
  proxy.faults.push({ status: 200, headers: { "content-type": "text/html" }, body: "<h1>Welcome to the hotel</h1>" });
  expect(await failureOf(client.getMe())).toMatchObject({ status: 200, code: "unreadable_answer" });

  proxy.faults.push({ status: 200 });
  expect(await failureOf(client.getMe())).toMatchObject({ detail: expect.stringMatching(/the body is empty$/) });
});

test("JSON that is not a problem, or one of a newer service, is read for what it has", async ({ proxy, client }) => {
  for (const body of ["null", "[]", '"no"', '{"code":7}']) {
    proxy.faults.push({ status: 400, body });
    expect(await failureOf(client.getMe())).toMatchObject({ status: 400, code: "unreadable_answer" });
  }
  proxy.faults.push({ status: 418, body: '{"code":"teapot"}' });
  expect(await failureOf(client.getMe())).toMatchObject({ status: 418, code: "teapot", detail: "teapot" });
});

test("ids with every character they may have reach the service as they are", async ({ client }) => {
  const id = "a:b.c_d-e:..";
  await client.createConversation({ id });
  const saved = await client.saveMessage(id, { id: "x:y.z", role: "user", content: "hello" });

  expect(saved).toMatchObject({ id: "x:y.z", conversation_id: id });
  expect((await client.getMessagesAround(id, "x:y.z")).messages).toEqual([saved]);
});

test("an id that is not one cannot reach another resource", async ({ client }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(1));

  for (const wrong of ["", ".", ".."]) {
    expect(await failureOf(client.deleteMessage(id, wrong))).toBeInstanceOf(TypeError);
    expect(await failureOf(client.deleteConversation(wrong))).toBeInstanceOf(TypeError);
  }
  for (const wrong of [`../${id}`, `${id}?permanent=true`, `${id}#`, `${id}/messages/x`, "%2e%2e", "é"]) {
    expect(await failureOf(client.deleteConversation(wrong))).toMatchObject({ status: expect.toBeOneOf([400, 404]) });
  }
  expect((await client.listConversations()).pagination.total).toBe(1);
});
