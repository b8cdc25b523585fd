import { expect, test } from "vitest";
import { createModelResponder } from "../src/responder/ai-sdk.ts";
import { createElizaResponder } from "../src/responder/eliza.ts";
import { createHttpResponder } from "../src/responder/http.ts";
import type { Responder } from "../src/responder/responder.ts";
import { sendJson } from "./responder-fixture.ts";
import { modelServer } from "./responder-model-servers.ts";

const EXCHANGE = { question: "Where do I sleep in Rome?", reply: "In Trastevere." };

function model(baseUrl: string): Promise<Responder> {
  return createModelResponder({ model: "compatible/llama3.2", baseUrl, system: "You are a pirate." });
}

function suggest(responder: Responder, exchange = EXCHANGE, signal = new AbortController().signal): Promise<string> {
  if (!responder.suggestTitle) throw new Error("it suggests no titles");
  return responder.suggestTitle(exchange, signal);
}

function completion(content: string, finishReason = "stop"): unknown {
  const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: finishReason }];
  return { id: "1", object: "chat.completion", created: 1_700_000_000, model: "m", choices };
}

test("a model names an exchange in one short call, without the conversation's own instructions", async () => {
  const server = await modelServer((response) => sendJson(response, 200, completion("Sleeping in Rome")));
  expect(await suggest(await model(server.baseUrl))).toBe("Sleeping in Rome");
  const [seen] = server.seen;
  expect(seen?.body["max_tokens"]).toBe(500);
  const asked = JSON.stringify(seen?.body["messages"]);
  expect(asked).toContain(EXCHANGE.question);
  expect(asked).toContain(EXCHANGE.reply);
  expect(asked).not.toContain("pirate");
});

test("of a long exchange only the beginning is sent, whole characters", async () => {
  const server = await modelServer((response) => sendJson(response, 200, completion("Parrots")));
  const long = `x${"\u{1F99C}".repeat(100_000)}`;
  await suggest(await model(server.baseUrl), { question: long, reply: long });
  const asked = JSON.stringify(server.seen[0]?.body["messages"]);
  expect(asked.length).toBeLessThan(6_000);
  expect(asked).not.toContain("\\ud83e"); // how JSON writes half of one
});

test("a failing, a refusing and a hanging model are told as such, and asked once", async () => {
  const failing = await modelServer((response) => sendJson(response, 500, { error: { message: "secret" } }));
  await expect(suggest(await model(failing.baseUrl))).rejects.toMatchObject({
    failure: "failed",
    message: "compatible llama3.2 answered 500",
  });
  expect(failing.seen).toHaveLength(1);
  const refusing = await modelServer((response) => sendJson(response, 200, completion("", "content_filter")));
  await expect(suggest(await model(refusing.baseUrl))).rejects.toMatchObject({ failure: "refused" });
  const hanging = await modelServer(() => {});
  const suggestion = suggest(await model(hanging.baseUrl), EXCHANGE, AbortSignal.timeout(100));
  await expect(suggestion).rejects.toMatchObject({ failure: "timeout" });
});

test("ELIZA and an agent over HTTP suggest none", () => {
  expect(createElizaResponder()).not.toHaveProperty("suggestTitle");
  expect(createHttpResponder({ url: "http://127.0.0.1:1/" })).not.toHaveProperty("suggestTitle");
});
