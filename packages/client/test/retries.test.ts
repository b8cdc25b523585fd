import { getEventListeners } from "node:events";
import { expect } from "vitest";
import { type BackscrollApiError, BackscrollConnectionError } from "../src/index.ts";
import { retryDelayMs } from "../src/retry.ts";
import { ADA, failureOf, test } from "./running-service.ts";

const busy = (
  headers: Record<string, string> = {},
  status = 503,
): { status: number; headers: Record<string, string> } => ({ status, headers });

for (const status of [429, 502, 503, 504]) {
  test(`an answer ${status} is tried again, twice by default`, async ({ proxy, client }) => {
    proxy.faults.push(busy({}, status), busy({}, status));
    expect((await client.getMe()).subject).toBe(ADA);

    proxy.faults.push(busy({}, status), busy({}, status), busy({}, status));
    expect(await failureOf(client.getMe())).toMatchObject({ status });
    expect(proxy.requests.length).toBe(6);
  });
}

for (const status of [400, 401, 403, 404, 409, 413, 422, 500]) {
  test(`an answer ${status} is not tried again`, async ({ proxy, client }) => {
    proxy.faults.push(busy({}, status));

    expect(await failureOf(client.getMe())).toMatchObject({ status });
    expect(proxy.requests.length).toBe(1);
  });
}

test("a connection that breaks is tried again", async ({ proxy, client }) => {
  proxy.faults.push("drop", "cut-answer");

  expect((await client.getMe()).subject).toBe(ADA);
});

test("a try that hangs is given up after timeoutMs and tried again", async ({ proxy, clientWith }) => {
  proxy.faults.push("hang");

  expect((await clientWith({ timeoutMs: 300 }).getMe()).subject).toBe(ADA);
});

test("when every try hangs the error says that the time was up", async ({ proxy, client }) => {
  proxy.faults.push("hang");

  const failure = await failureOf(client.getMe({ timeoutMs: 50, retries: 0 }));

  expect(failure).toBeInstanceOf(BackscrollConnectionError);
  expect(failure).toMatchObject({ timedOut: true, message: "no answer within 50 ms" });
});

test("a service that is not there is a connection error that says why", async ({ clientWith, origin, proxy }) => {
  await proxy.close();
  const failure = await failureOf(clientWith({}).getMe({ retries: 1 }));

  expect(failure).toBeInstanceOf(BackscrollConnectionError);
  expect(failure).toMatchObject({ timedOut: false, message: expect.stringMatching(/ECONNREFUSED/) });
  expect((await clientWith({ baseUrl: `${origin}/` }).getMe()).subject).toBe(ADA);
});

test("the wait before a retry is random below a bound that doubles from half a second to eight seconds", () => {
  const failure = { error: new BackscrollConnectionError("lost"), retryable: true, mayHaveRun: true };
  const bounds = [500, 1_000, 2_000, 4_000, 8_000, 8_000];

  for (const [retry, bound] of bounds.entries()) {
    const waits = Array.from({ length: 1_000 }, () => retryDelayMs(failure, retry) ?? Number.NaN);
    expect(Math.min(...waits)).toBeLessThan(bound * 0.1);
    expect(Math.max(...waits)).toBeGreaterThan(bound * 0.9);
    expect(Math.max(...waits)).toBeLessThanOrEqual(bound);
  }
});

test("retry-after is waited for", async ({ proxy, client }) => {
  proxy.faults.push(busy({ "retry-after": "1" }));
  const startedAt = performance.now();

  await client.getMe();

  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1_000);
});

test("a retry-after of over a minute is told to the caller at once, whether in seconds or as a date", async ({
  proxy,
  client,
}) => {
  proxy.faults.push(busy({ "retry-after": "61" }));
  expect(await failureOf(client.getMe())).toMatchObject({ status: 503, retryAfterSeconds: 61 });

  proxy.faults.push(busy({ "retry-after": new Date(Date.now() + 600_000).toUTCString() }));
  const failure = await failureOf(client.getMe());
  expect((failure as BackscrollApiError).retryAfterSeconds).toBeGreaterThan(590);
  expect(proxy.requests.length).toBe(2);
});

test("x-should-retry: false is obeyed", async ({ proxy, client }) => {
  proxy.faults.push(busy({ "x-should-retry": "false" }));

  expect(await failureOf(client.getMe())).toMatchObject({ status: 503 });
  expect(proxy.requests.length).toBe(1);
});

test("a key whose first request still runs is asked for again", async ({ proxy, client }) => {
  const problem = { code: "idempotency_key_in_progress", detail: "still running" };
  proxy.faults.push({ status: 409, body: JSON.stringify(problem) });

  expect((await client.chat({ message: "hello" })).response).not.toBe("");
});

test("retries: 0 sends once, on a call as on a client", async ({ proxy, client, clientWith }) => {
  proxy.faults.push(busy(), busy());

  await failureOf(client.getMe({ retries: 0 }));
  await failureOf(clientWith({ retries: 0 }).getMe());

  expect(proxy.requests.length).toBe(2);
});

test("livez and readyz are asked once, unless told otherwise", async ({ proxy, client }) => {
  proxy.faults.push(busy(), busy(), busy());

  await failureOf(client.livez());
  await failureOf(client.readyz());
  expect(proxy.requests.length).toBe(2);
  expect(await client.readyz({ retries: 1 })).toEqual({ status: "ok", postgres: "ok", cache: "ok" });
});

test("readyz says why the service is not ready", async ({ proxy, services, client }) => {
  expect(await client.readyz()).toEqual({ status: "ok", postgres: "ok", cache: "ok" });
  services.drain();

  expect(await failureOf(client.readyz())).toMatchObject({ status: 503, code: "shutting_down", retryAfterSeconds: 1 });
  expect(proxy.requests.length).toBe(2);
  expect(await client.livez()).toEqual({ status: "ok" });
});

test("every try asks for fresh headers", async ({ proxy, clientWith }) => {
  proxy.faults.push(busy());
  let tokens = 0;
  const client = clientWith({
    headers: async () => new Headers({ "x-test-user": ADA, authorization: `Bearer ${(tokens += 1)}` }),
  });

  await client.getMe();

  expect(proxy.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer 1", "Bearer 2"]);
});

test("what the headers function throws reaches the caller as it is", async ({ proxy, clientWith }) => {
  const signedOut = new Error("signed out");
  const client = clientWith({
    headers: () => {
      throw signedOut;
    },
  });

  expect(await failureOf(client.getMe())).toBe(signedOut);
  expect(proxy.requests).toEqual([]);
});

test("an abort ends a call at once with the signal's reason: while it waits for the answer, and between two tries", async ({
  proxy,
  client,
}) => {
  for (const fault of ["hang", busy({ "retry-after": "30" })] as const) {
    const abort = new AbortController();
    proxy.faults.push(fault);
    const call = failureOf(client.getMe({ signal: abort.signal }));
    await proxy.arrived(proxy.requests.length + 1);
    const reason = new Error("the user left");
    const abortedAt = performance.now();
    abort.abort(reason);

    expect(await call).toBe(reason);
    expect(performance.now() - abortedAt).toBeLessThan(100);
  }
  expect(proxy.requests.length).toBe(2);
});

test("an abort ends a call at once while it waits for its headers", async ({ clientWith }) => {
  const client = clientWith({ headers: () => new Promise(() => undefined) });
  const abort = new AbortController();
  const call = failureOf(client.getMe({ signal: abort.signal }));

  abort.abort();

  expect(await call).toMatchObject({ name: "AbortError" });
});

test("a call with an aborted signal sends nothing", async ({ proxy, client }) => {
  expect(await failureOf(client.getMe({ signal: AbortSignal.abort() }))).toMatchObject({ name: "AbortError" });
  expect(proxy.requests).toEqual([]);
});

test("a signal that outlives many calls is let go by each, whichever way it ends", async ({ proxy, client }) => {
  const { signal } = new AbortController();
  const { conversation_id: id } = await client.createConversation({}, { signal });
  proxy.faults.push("drop");
  await client.getMe({ signal });
  await failureOf(client.getConversation("nowhere", { signal }));
  await new Response(await client.exportConversation(id, {}, { signal })).text();
  await (await client.exportConversation(id, {}, { signal })).cancel();

  expect(getEventListeners(signal, "abort")).toEqual([]);
});
