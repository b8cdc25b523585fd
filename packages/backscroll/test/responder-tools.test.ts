import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool } from "ai";
import type { ToolSet } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { createAiSdkResponder } from "../src/responder/ai-sdk.ts";
import type { Responder } from "../src/responder/responder.ts";
import { ask, collect, failureOf, textOf } from "./responder-fixture.ts";
import { chatText, chatToolCall, modelServer } from "./responder-model-servers.ts";
import type { ModelServer } from "./responder-model-servers.ts";

const weather = tool({
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => ({ city, degrees: 21, at: new Date(0) }),
});
const broken = tool({
  inputSchema: z.object({}),
  execute: (): string => {
    throw new Error("no index");
  },
});

function responderOf(server: ModelServer, tools: ToolSet, maxSteps?: number): Responder {
  const model = createOpenAICompatible({ name: "test", baseURL: server.baseUrl, includeUsage: true }).chatModel("test");
  return createAiSdkResponder({ model, description: "test", tools, ...(maxSteps !== undefined && { maxSteps }) });
}

test("a tool's call and result come between the texts, and the tokens of all steps add up", async () => {
  const server = await modelServer(chatToolCall("c1", "weather", '{"city":"Oslo"}'), chatText("It is ", "21 °C."));

  expect(await collect(responderOf(server, { weather }), ask("Weather in Oslo?", { tools: ["weather"] }))).toEqual([
    { type: "text", text: "Let me look." },
    { type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Oslo" } },
    {
      type: "tool-result",
      toolCallId: "c1",
      toolName: "weather",
      output: { city: "Oslo", degrees: 21, at: "1970-01-01T00:00:00.000Z" },
    },
    { type: "text", text: "\n\nIt is " },
    { type: "text", text: "21 °C." },
    { type: "usage", tokensUsed: 38, model: "test-model-1" },
  ]);
  expect(server.seen).toHaveLength(2);
});

test("a tool that throws is a result the model can answer to", async () => {
  const server = await modelServer(chatToolCall("c1", "broken", "{}"), chatText("It failed."));
  const deltas = await collect(responderOf(server, { broken }), ask("Go", { tools: ["broken"] }));

  expect(deltas).toContainEqual({
    type: "tool-result",
    toolCallId: "c1",
    toolName: "broken",
    output: { error: "no index" },
  });
  expect(textOf(deltas)).toBe("Let me look.\n\nIt failed.");
});

test("the model is offered only the tools that a request names", async () => {
  const server = await modelServer(chatText("Hi."));
  const responder = responderOf(server, { weather, broken });
  await collect(responder, ask("Hi", { tools: ["weather", "unknown", "constructor"] }));
  await collect(responder, ask("Hi"));

  expect(server.seen[0]?.body["tools"]).toMatchObject([{ function: { name: "weather" } }]);
  expect(server.seen[1]?.body).not.toHaveProperty("tools");
});

test("a model that calls tools for ever is stopped after maxSteps", async () => {
  const server = await modelServer(chatToolCall("c1", "weather", '{"city":"Oslo"}'));
  const deltas = await collect(responderOf(server, { weather }, 3), ask("Weather?", { tools: ["weather"] }));

  expect(server.seen).toHaveLength(3);
  expect(deltas.at(-1)).toEqual({ type: "usage", tokensUsed: 39, model: "test-model-1" });
});

test("a tool that hangs is aborted with the turn, and the turn is a timeout", async () => {
  const aborted = Promise.withResolvers<void>();
  const slow = tool({
    inputSchema: z.object({}),
    execute: (_input, { abortSignal }) =>
      new Promise<string>((_resolve, reject) => {
        abortSignal?.addEventListener("abort", () => {
          aborted.resolve();
          reject(new Error("aborted"));
        });
      }),
  });
  const server = await modelServer(chatToolCall("c1", "slow", "{}"));
  const { error } = await failureOf(
    responderOf(server, { slow }),
    ask("Go", { tools: ["slow"], signal: AbortSignal.timeout(200) }),
  );

  expect(error.failure).toBe("timeout");
  await aborted.promise;
});
