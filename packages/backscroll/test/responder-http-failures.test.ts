import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { createHttpResponder } from "../src/responder/http.ts";
import { SSE, agent, stream, text } from "./responder-agents.ts";
import { ask, collect, failureOf, refusedOrigin, send, sendJson, serve, textOf } from "./responder-fixture.ts";

test("a stream that just stops fails as ended early, and what it said was passed on", async () => {
  for (const responder of [
    await stream(text("Half a ")),
    await agent((response) => response.writeHead(200, SSE).end(`data: ${text("Half a ")}\n\ndata: {"type":"usage"}`)),
  ]) {
    const { error, text: said } = await failureOf(responder, ask("Hello"));
    expect(error).toMatchObject({ failure: "failed", message: expect.stringContaining("ended early") });
    expect(said).toBe("Half a ");
  }
});

test("a connection dropped in the middle fails as ended early, streamed or not", async () => {
  const streaming = await agent(async (response) => {
    response.writeHead(200, SSE);
    await send(response, `data: ${text("Half a ")}\n\n`);
    response.destroy();
  });
  const json = await agent(async (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    await send(response, '{"content": "Half a ');
    response.destroy();
  });
  for (const responder of [streaming, json]) {
    const { error } = await failureOf(responder, ask("Hello"));
    expect(error).toMatchObject({ failure: "failed", message: expect.stringContaining("ended early") });
  }
});

test("an agent that reports an error mid-stream fails, and its message, which may quote anybody, is not told", async () => {
  const responder = await stream(
    text("Half a "),
    JSON.stringify({ type: "error", message: `no index ${"x".repeat(1000)}` }),
  );
  const { error, text: said } = await failureOf(responder, ask("Hello"));
  expect(error.message).toMatch(/^http:\/\/127\.0\.0\.1:\d+ reported an error \(failed\)$/);
  expect(said).toBe("Half a ");
});

test("an agent says why it failed, in a stream or as JSON; a reason of its own is a failure", async () => {
  for (const [code, failure] of [
    ["refused", "refused"],
    ["rate_limited", "rate_limited"],
    ["timeout", "timeout"],
    ["out_of_coffee", "failed"],
    [7, "failed"],
    [undefined, "failed"],
  ] as const) {
    const event = { type: "error", message: "as it is", code };
    const asJson = await agent((response) => sendJson(response, 200, event));
    for (const responder of [await stream(text("Half "), JSON.stringify(event)), asJson]) {
      const { error } = await failureOf(responder, ask("Hello"));
      expect(error.failure).toBe(failure);
      expect(error.message).toMatch(/^http:\/\/127\.0\.0\.1:\d+ reported an error \(\w+\)$/);
      expect(error.message).toContain(`(${failure})`);
    }
  }
});

test("a 500 fails with the status, without the body", async () => {
  const responder = await agent((response) => sendJson(response, 500, { error: "Traceback: the user said hello" }));
  const { error } = await failureOf(responder, ask("hello"));
  expect(error).toMatchObject({
    failure: "failed",
    message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+ answered 500$/),
  });
});

test("the body of an error is not read: its connection is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const responder = await agent((response) => {
    response.on("close", closed.resolve);
    response.writeHead(500).write("and it goes on");
  });
  await failureOf(responder, ask("hello"));
  await closed.promise;
});

test("a redirect is not followed", async () => {
  const elsewhere = await serve(() => expect.unreachable());
  const responder = await agent((response) => response.writeHead(307, { location: elsewhere }).end());
  expect((await failureOf(responder, ask("hello"))).error.message).toContain("answered 307");
});

test("a 429 is a rate limit, with its retry-after in seconds or as a date, if it says", async () => {
  const headers: Record<string, string>[] = [
    { "retry-after": "7" },
    { "retry-after": new Date(Date.now() + 90_000).toUTCString() },
    { "retry-after": "soon" },
    {},
  ];
  const seconds: (number | undefined)[] = [];
  for (const header of headers) {
    const responder = await agent((response) => sendJson(response, 429, {}, header));
    const { error } = await failureOf(responder, ask("hello"));
    expect(error.failure).toBe("rate_limited");
    seconds.push(error.retryAfterSeconds);
  }
  expect(seconds).toEqual([7, expect.toSatisfy((value: number) => value >= 80 && value <= 90), undefined, undefined]);
});

test("an agent that never answers, or stops in the middle, is a timeout once the deadline passes", async () => {
  const silent = await agent(() => {});
  const stuck = await agent((response) => void response.writeHead(200, SSE).write(`data: ${text("Half a ")}\n\n`));
  const halfJson = await agent(
    (response) => void response.writeHead(200, { "content-type": "application/json" }).write("{"),
  );
  for (const responder of [silent, stuck, halfJson]) {
    const { error } = await failureOf(responder, ask("hello", { signal: AbortSignal.timeout(100) }));
    expect(error.failure).toBe("timeout");
  }
});

test("a stop by the user comes back as its own reason and closes the connection", async () => {
  const closed = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const responder = await agent((response) => {
    response.on("close", closed.resolve);
    arrived.resolve();
  });
  const controller = new AbortController();
  const reason = new Error("stopped");
  const reply = collect(responder, ask("hello", { signal: controller.signal }));
  void arrived.promise.then(() => controller.abort(reason));
  await expect(reply).rejects.toBe(reason);
  await closed.promise;

  await expect(collect(responder, ask("hello", { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
});

test("a reader who leaves early closes the agent's connection", async () => {
  const closed = Promise.withResolvers<void>();
  const responder = await agent((response) => {
    response.on("close", closed.resolve);
    response.writeHead(200, SSE).write(`data: ${text("first")}\n\n`);
  });
  for await (const delta of responder.respond(ask("Go"))) {
    expect(delta).toEqual({ type: "text", text: "first" });
    break;
  }
  await closed.promise;
});

test("a refused connection fails, naming the origin and nothing more of the URL", async () => {
  const origin = await refusedOrigin();
  const { error } = await failureOf(createHttpResponder({ url: `${origin}/hooks/s3cret?key=k3y` }), ask("hello"));
  expect(error).toMatchObject({ failure: "failed", message: `cannot reach ${origin} (ECONNREFUSED)` });
});

test("a reply in another shape fails, saying what was expected", async () => {
  const bodies = [
    "not json",
    "null",
    '{"answer":"hi"}',
    '{"content":5}',
    '{"content":"x","tokens":-1}',
    '{"content":"x","tool_calls":[{"input":1}]}',
  ];
  for (const body of bodies) {
    const responder = await agent((response) =>
      response.writeHead(200, { "content-type": "application/json" }).end(body),
    );
    const { error } = await failureOf(responder, ask("hello"));
    expect(error).toMatchObject({ failure: "failed", message: expect.stringContaining("{content, tokens?") });
  }
  for (const line of [
    "not json",
    '{"type":"txt","text":"hi"}',
    '{"type":"text"}',
    '{"type":"tool-call","tool_name":"x","input":1}',
  ]) {
    const { error } = await failureOf(await stream(line, "[DONE]"), ask("hello"));
    expect(error).toMatchObject({ failure: "failed", message: expect.stringContaining('{"type":"text",text}') });
  }
  const html = await agent((response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>hi"));
  expect((await failureOf(html, ask("hello"))).error.message).toContain("application/json or text/event-stream");
});

test("bytes that are not UTF-8 fail rather than being stored as question marks", async () => {
  const latin1 = Buffer.from('{"content":"caf\xe9"}', "latin1");
  const responder = await agent((response) =>
    response.writeHead(200, { "content-type": "application/json" }).end(latin1),
  );
  expect((await failureOf(responder, ask("hello"))).error.message).toContain("not UTF-8");
});

test("a reply over 4 MiB fails and is not read on: one JSON, one endless line, many events", async () => {
  const mebibyte = "x".repeat(1_048_576);
  const endless = (head: string, piece: string) => async (response: ServerResponse) => {
    response.write(head);
    while (!response.destroyed) {
      if (!response.write(piece)) await Promise.race([once(response, "drain"), once(response, "close")]);
    }
  };
  const json = await agent((response) =>
    endless('{"content":"', mebibyte)(response.writeHead(200, { "content-type": "application/json" })),
  );
  const line = await agent((response) =>
    endless('data: {"type":"text","text":"', mebibyte)(response.writeHead(200, SSE)),
  );
  const events = await agent((response) => endless("", `data: ${text(mebibyte)}\n\n`)(response.writeHead(200, SSE)));
  for (const responder of [json, line, events]) {
    const { error } = await failureOf(responder, ask("hello"));
    expect(error).toMatchObject({ failure: "failed", message: expect.stringContaining("longer than 4194304 bytes") });
  }
});

test("a stream whose framing is many times its text may go on", async () => {
  const words = 100_000; // about 5 MB of events for 0.2 MB of text
  const responder = await agent((response) =>
    response
      .writeHead(200, SSE)
      .end(`data: ${text("hi")}\n\n`.repeat(words) + `: ${"x".repeat(1_048_576)}\n\ndata: [DONE]\n\n`),
  );
  expect(textOf(await collect(responder, ask("hello"))).length).toBe(2 * words);
});

test("a URL that is none, or holds a password, is refused when the server starts, and not repeated", () => {
  expect(() => createHttpResponder({ url: "localhost:8787" })).toThrow(/whole http or https URL/);
  expect(() => createHttpResponder({ url: "8787" })).toThrow(/whole http or https URL/);
  expect(() => createHttpResponder({ url: "http://ada:s3cret@agent.test/" })).toThrow(
    /^(?!.*s3cret).*send a header instead/,
  );
});
