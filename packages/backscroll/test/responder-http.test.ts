import { expect, test } from "vitest";
import { createHttpResponder } from "../src/responder/http.ts";
import { SSE, agent, stream, text } from "./responder-agents.ts";
import { ask, assistant, bodyOf, collect, send, sendJson, serve, textOf, user } from "./responder-fixture.ts";

test("the agent gets the context, the last user message, the tools and our headers", async () => {
  const received: unknown[] = [];
  const origin = await serve(async (request, response) => {
    received.push(
      request.method,
      request.headers["authorization"],
      request.headers["content-type"],
      await bodyOf(request),
    );
    sendJson(response, 200, { content: "yes" });
  });
  const responder = createHttpResponder({ url: `${origin}/respond`, headers: { authorization: "Bearer t0ken" } });
  const messages = [user("first"), assistant("answer"), user("second 🦜")];

  expect(textOf(await collect(responder, ask("", { messages, tools: ["web_search"] })))).toBe("yes");
  expect(received).toEqual([
    "POST",
    "Bearer t0ken",
    "application/json",
    { messages, query: "second 🦜", tools: ["web_search"] },
  ]);
});

test("a JSON reply becomes tool calls, text and usage, in this order", async () => {
  const responder = await agent((response) =>
    sendJson(response, 200, {
      content: "It is 21 °C 🌤️.",
      tokens: 12,
      latency: 345.6,
      latency_ms: 346,
      model: "mine",
      tool_calls: [
        { id: "c1", name: "weather", input: { city: "Oslo" }, output: [21, null] },
        { name: "clarification", input: "which Oslo?" },
      ],
    }),
  );

  expect(await collect(responder, ask("Weather?"))).toEqual([
    { type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Oslo" } },
    { type: "tool-result", toolCallId: "c1", toolName: "weather", output: [21, null] },
    {
      type: "tool-call",
      toolCallId: expect.stringMatching(/^call_.{36}$/),
      toolName: "clarification",
      input: "which Oslo?",
    },
    { type: "text", text: "It is 21 °C 🌤️." },
    { type: "usage", tokensUsed: 12, model: "mine" },
  ]);
});

test("the guide's smallest reply is enough", async () => {
  const responder = await agent((response) => sendJson(response, 200, { content: "Hi", tokens: null }));
  expect(await collect(responder, ask("Hello"))).toEqual([
    { type: "text", text: "Hi" },
    { type: "usage", tokensUsed: null, model: null },
  ]);
});

test("a streamed reply is the same wherever the bytes are split, inside an emoji too", async () => {
  const events = [
    text("Parrots 🦜🦜 "),
    '{"type":"tool-call","tool_call_id":"c1","tool_name":"web_search","input":{"query":"🦜"}}',
    '{"type":"tool-result","tool_call_id":"c1","tool_name":"web_search","output":["é"]}',
    text("talk 👩‍🚀."),
    '{"type":"usage","tokens_used":7,"model":"mine"}',
    "[DONE]",
  ];
  const bytes = Buffer.from(`: keep-alive\r\n\r\n${events.map((event) => `data: ${event}\r\n\r\n`).join("")}`);
  for (const size of [1, 3, 7, 64]) {
    const responder = await agent(async (response) => {
      response.writeHead(200, SSE);
      response.socket?.setNoDelay(true);
      for (let at = 0; at < bytes.length; at += size) await send(response, bytes.subarray(at, at + size));
      response.end();
    });
    expect(await collect(responder, ask("Parrots?"))).toEqual([
      { type: "text", text: "Parrots 🦜🦜 " },
      { type: "tool-call", toolCallId: "c1", toolName: "web_search", input: { query: "🦜" } },
      { type: "tool-result", toolCallId: "c1", toolName: "web_search", output: ["é"] },
      { type: "text", text: "talk 👩‍🚀." },
      { type: "usage", tokensUsed: 7, model: "mine" },
    ]);
  }
});

test("words are passed on as they come, before the agent has finished", async () => {
  const responder = await agent((response) => void response.writeHead(200, SSE).write(`data: ${text("first")}\n\n`));
  const words = responder.respond(ask("Go"))[Symbol.asyncIterator]();
  expect(await words.next()).toEqual({ done: false, value: { type: "text", text: "first" } });
  await words.return?.();
});

test("[DONE] ends a reply although the connection stays open, and needs no blank line after it", async () => {
  const open = await agent(
    (response) => void response.writeHead(200, SSE).write(`data: ${text("Hi")}\n\ndata: [DONE]\n\n`),
  );
  expect(textOf(await collect(open, ask("Hello")))).toBe("Hi");
  const bare = await agent((response) => response.writeHead(200, SSE).end(`data: ${text("Hi")}\n\ndata: [DONE]`));
  expect(textOf(await collect(bare, ask("Hello")))).toBe("Hi");
});

test("a usage, in either spelling, comes last and makes a reply whole without [DONE]", async () => {
  const responder = await stream('{"type":"usage","tokensUsed":3}', text("Hi"));
  expect(await collect(responder, ask("Hello"))).toEqual([
    { type: "text", text: "Hi" },
    { type: "usage", tokensUsed: 3, model: null },
  ]);
});

test("the description is the URL's origin unless one is given", () => {
  expect(createHttpResponder({ url: "https://agent.test/hooks/s3cret" }).description).toBe(
    "agent at https://agent.test",
  );
  expect(createHttpResponder({ url: "https://agent.test/", description: "Clippy" }).description).toBe("Clippy");
});
