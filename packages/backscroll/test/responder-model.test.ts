import { expect, onTestFinished, test, vi } from "vitest";
import { createModelResponder } from "../src/responder/ai-sdk.ts";
import type { Responder } from "../src/responder/responder.ts";
import {
  ask,
  assistant,
  collect,
  failureOf,
  refusedOrigin,
  send,
  sendJson,
  textOf,
  user,
} from "./responder-fixture.ts";
import {
  anthropicEvent,
  anthropicHalf,
  anthropicText,
  chatChunk,
  chatText,
  eventStream,
  modelServer,
} from "./responder-model-servers.ts";

const KEY = "sk-test-0123456789abcdef";

function openai(baseUrl: string): Promise<Responder> {
  return createModelResponder({ model: "openai/gpt-5-mini", baseUrl, apiKey: KEY });
}

function compatible(baseUrl: string): Promise<Responder> {
  return createModelResponder({ model: "compatible/library/llama3.2", baseUrl });
}

function anthropic(baseUrl: string): Promise<Responder> {
  return createModelResponder({ model: "anthropic/claude-sonnet-4-5", baseUrl, apiKey: KEY });
}

function setEnvironment(name: string, value: string | undefined): void {
  vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
}

test("openai: text comes in pieces, then the tokens and the model that answered", async () => {
  const server = await modelServer(chatText("Hel", "lo 🦜", "."));
  const responder = await openai(server.baseUrl);

  expect(responder.description).toBe("openai gpt-5-mini");
  expect(await collect(responder, ask("Hi"))).toEqual([
    { type: "text", text: "Hel" },
    { type: "text", text: "lo 🦜" },
    { type: "text", text: "." },
    { type: "usage", tokensUsed: 25, model: "test-model-1" },
  ]);
  expect(server.seen).toMatchObject([
    {
      path: "/v1/chat/completions",
      key: `Bearer ${KEY}`,
      body: { model: "gpt-5-mini", stream: true, messages: [{ role: "user", content: "Hi" }] },
    },
  ]);
});

test("compatible: a local server needs no key, its model's name may hold slashes", async () => {
  const server = await modelServer(chatText("Hello."));
  const deltas = await collect(await compatible(server.baseUrl), ask("Hi"));

  expect(textOf(deltas)).toBe("Hello.");
  expect(deltas.at(-1)).toEqual({ type: "usage", tokensUsed: 25, model: "test-model-1" });
  expect(server.seen).toMatchObject([
    { key: undefined, body: { model: "library/llama3.2", stream_options: { include_usage: true } } },
  ]);
});

test("anthropic: text comes in pieces, then the tokens and the model that answered", async () => {
  const server = await modelServer(anthropicText("Hel", "lo."));

  expect(await collect(await anthropic(server.baseUrl), ask("Hi"))).toEqual([
    { type: "text", text: "Hel" },
    { type: "text", text: "lo." },
    { type: "usage", tokensUsed: 25, model: "claude-test-1" },
  ]);
  expect(server.seen).toMatchObject([{ path: "/v1/messages", key: KEY, body: { model: "claude-sonnet-4-5" } }]);
});

test("any stored context makes a call every provider takes", async () => {
  const messages = [
    assistant("Welcome!"),
    { role: "system", content: "Be brief." },
    user("What is 2+2?"),
    assistant(""),
    { role: "tool", content: "4" },
    assistant("4."),
    { role: "system", content: "Be kind." },
    user("unanswered"),
    user("and 3+3?"),
  ] as const;
  const chat = [
    { role: "user", content: "What is 2+2?" },
    { role: "assistant", content: "4." },
    { role: "user", content: "unanswered\n\nand 3+3?" },
  ];

  const ollama = await modelServer(chatText("6."));
  const options = { model: "compatible/llama3.2", baseUrl: ollama.baseUrl, system: "You count." };
  expect(textOf(await collect(await createModelResponder(options), ask("", { messages })))).toBe("6.");
  expect(ollama.seen[0]?.body["messages"]).toEqual([
    { role: "system", content: "You count.\n\nBe brief.\n\nBe kind." },
    ...chat,
  ]);

  const claude = await modelServer(anthropicText("6."));
  expect(textOf(await collect(await anthropic(claude.baseUrl), ask("", { messages })))).toBe("6.");
  expect(claude.seen[0]?.body).toMatchObject({
    system: [{ type: "text", text: "Be brief.\n\nBe kind." }],
    messages: chat.map(({ role, content }) => ({ role, content: [{ type: "text", text: content }] })),
  });
});

test("a context without a word of the user fails before anything is sent", async () => {
  const server = await modelServer(chatText("?"));
  const { error } = await failureOf(await compatible(server.baseUrl), ask(" \n "));
  expect(error.failure).toBe("failed");
  expect(server.seen).toEqual([]);
});

test("a 429 is a rate limit with its retry-after, told at once instead of slept out", async () => {
  const server = await modelServer((response) =>
    sendJson(response, 429, { error: { message: "slow down", code: "rate_limit_exceeded" } }, { "retry-after": "30" }),
  );
  for (const responder of [await openai(server.baseUrl), await anthropic(server.baseUrl)]) {
    const { error } = await failureOf(responder, ask("Hi"));
    expect(error).toMatchObject({ failure: "rate_limited", retryAfterSeconds: 30 });
  }
  expect(server.seen).toHaveLength(2);
});

test("an error says status and code, and never the key, the prompt or what the provider wrote", async () => {
  const said = `Incorrect API key provided: ${KEY}. You said: my secret diary`;
  const server = await modelServer((response) =>
    sendJson(response, 401, { error: { message: said, type: "invalid_request_error", code: "invalid_api_key" } }),
  );
  for (const responder of [await openai(server.baseUrl), await compatible(server.baseUrl)]) {
    const { error } = await failureOf(responder, ask("my secret diary"));
    expect(error.message).toBe(`${responder.description} answered 401 (invalid_api_key)`);
    expect(error.failure).toBe("failed");
    expect(error.cause).toBeUndefined();
  }
  const overloaded = await modelServer((response) =>
    sendJson(response, 529, { type: "error", error: { type: "overloaded_error", message: said } }),
  );
  const { error } = await failureOf(await anthropic(overloaded.baseUrl), ask("Hi"));
  expect(error.message).toBe("anthropic claude-sonnet-4-5 answered 529 (overloaded_error)");
});

test("a 500 with a proxy's page, and a 200 that is no stream, fail in a few words", async () => {
  const page = await modelServer((response) =>
    response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>"),
  );
  expect((await failureOf(await openai(page.baseUrl), ask("Hi"))).error.message).toBe("openai gpt-5-mini answered 502");
  const garbage = await modelServer((response) => eventStream(response).end("data: <h1>hello</h1>\n\n"));
  const { error } = await failureOf(await openai(garbage.baseUrl), ask("Hi"));
  expect(error.failure).toBe("failed");
  expect(error.message).not.toContain("<h1>");
});

test("an error in the middle of a stream fails after the text before it", async () => {
  const server = await modelServer((response) => {
    const event = { type: "error", error: { type: "overloaded_error", message: "the user said hello" } };
    eventStream(response).end(anthropicHalf("Half a ") + anthropicEvent(event));
  });
  const { error, text } = await failureOf(await anthropic(server.baseUrl), ask("hello"));
  expect(text).toBe("Half a ");
  expect(error).toMatchObject({ failure: "failed", message: expect.stringContaining("overloaded_error") });
  expect(error.message).not.toContain("hello");
});

test("a refusal, by the model or by a filter, is one, after the text before it", async () => {
  const openaiFiltered = await modelServer((response) =>
    eventStream(response).end(`${chatChunk({ content: "I " })}${chatChunk({}, "content_filter")}data: [DONE]\n\n`),
  );
  const openaiRefused = await modelServer((response) =>
    eventStream(response).end(`${chatChunk({ refusal: "I " })}${chatChunk({}, "stop")}data: [DONE]\n\n`),
  );
  const claude = await modelServer((response) =>
    eventStream(response).end(
      anthropicHalf("I ") +
        anthropicEvent({ type: "content_block_stop", index: 0 }) +
        anthropicEvent({ type: "message_delta", delta: { stop_reason: "refusal" }, usage: { output_tokens: 1 } }) +
        anthropicEvent({ type: "message_stop" }),
    ),
  );
  for (const responder of [
    await openai(openaiFiltered.baseUrl),
    await compatible(openaiFiltered.baseUrl),
    await openai(openaiRefused.baseUrl),
    await anthropic(claude.baseUrl),
  ]) {
    const { error, text } = await failureOf(responder, ask("Hi"));
    expect(error).toMatchObject({ failure: "refused", message: `${responder.description} refused to answer` });
    expect(text).toBe("I ");
  }
});

test("a prompt that a filter turns away is a refusal, without what the filter wrote", async () => {
  for (const code of ["content_filter", "content_policy_violation"]) {
    const server = await modelServer((response) =>
      sendJson(response, 400, { error: { message: "The prompt was: my secret diary", code } }),
    );
    const { error } = await failureOf(await openai(server.baseUrl), ask("my secret diary"));
    expect(error).toMatchObject({ failure: "refused", message: `openai gpt-5-mini refused to answer (${code})` });
    expect(error.cause).toBeUndefined();
  }
});

test("a connection dropped, or a stream ended without its reason, never passes for a whole answer", async () => {
  const chat = chatChunk({ content: "Half a " });
  const messages = anthropicHalf("Half a ");
  for (const [make, half] of [
    [openai, chat],
    [compatible, chat],
    [anthropic, messages],
  ] as const) {
    const dropped = await modelServer(async (response) => {
      await send(eventStream(response), half);
      response.destroy();
    });
    const ended = await modelServer((response) => eventStream(response).end(half));
    for (const { baseUrl } of [dropped, ended]) {
      const { error, text } = await failureOf(await make(baseUrl), ask("Hi"));
      expect(error.failure).toBe("failed");
      expect(text).toBe("Half a ");
    }
    const empty = await modelServer((response) => eventStream(response).end());
    expect((await failureOf(await make(empty.baseUrl), ask("Hi"))).error.failure).toBe("failed");
  }
});

test("a refused connection fails, naming the origin", async () => {
  const origin = await refusedOrigin();
  const { error } = await failureOf(await compatible(`${origin}/v1`), ask("Hi"));
  expect(error).toMatchObject({
    failure: "failed",
    message: `cannot reach compatible library/llama3.2 at ${origin} (ECONNREFUSED)`,
  });
});

test("a model that never answers, or stops in the middle, is a timeout once the deadline passes", async () => {
  const silent = await modelServer(() => {});
  const stuck = await modelServer((response) => void eventStream(response).write(chatChunk({ content: "Half a " })));
  for (const { baseUrl } of [silent, stuck]) {
    for (const make of [openai, compatible]) {
      const { error } = await failureOf(await make(baseUrl), ask("Hi", { signal: AbortSignal.timeout(100) }));
      expect(error.failure).toBe("timeout");
    }
  }
});

test("a stop by the user comes back as its own reason and closes the model's connection", async () => {
  const closed = Promise.withResolvers<void>();
  const server = await modelServer((response) => {
    response.on("close", closed.resolve);
    eventStream(response).write(chatChunk({ content: "first" }));
  });
  const controller = new AbortController();
  const reason = new Error("stopped");
  const run = async (): Promise<void> => {
    for await (const delta of (await openai(server.baseUrl)).respond(ask("Hi", { signal: controller.signal }))) {
      expect(delta).toEqual({ type: "text", text: "first" });
      controller.abort(reason);
    }
  };
  await expect(run()).rejects.toBe(reason);
  await closed.promise;
});

test("a reader who leaves early closes the model's connection", async () => {
  const closed = Promise.withResolvers<void>();
  const server = await modelServer((response) => {
    response.on("close", closed.resolve);
    eventStream(response).write(chatChunk({ content: "first" }));
  });
  for await (const delta of (await openai(server.baseUrl)).respond(ask("Hi"))) {
    expect(delta).toEqual({ type: "text", text: "first" });
    break;
  }
  await closed.promise;
});

test("an error is thrown, not printed", async () => {
  const printed = [vi.spyOn(console, "error"), vi.spyOn(console, "warn"), vi.spyOn(console, "log")];
  onTestFinished(() => printed.forEach((spy) => spy.mockRestore()));
  const server = await modelServer(
    (response) => sendJson(response, 500, {}),
    (response) => eventStream(response).end("data: {\n\n"),
  );
  const responder = await openai(server.baseUrl);
  await failureOf(responder, ask("Hi"));
  await failureOf(responder, ask("Hi"));
  for (const spy of printed) expect(spy).not.toHaveBeenCalled();
});

test("the provider's environment variable is the key when none is given", async () => {
  setEnvironment("OPENAI_API_KEY", "sk-from-environment");
  const server = await modelServer(chatText("Hello."));
  await collect(await createModelResponder({ model: "openai/gpt-5-mini", baseUrl: server.baseUrl }), ask("Hi"));
  expect(server.seen[0]?.key).toBe("Bearer sk-from-environment");
});

test("a missing key, a misspelt model or a missing URL is refused at the start, saying what to write", async () => {
  setEnvironment("OPENAI_API_KEY", undefined);
  setEnvironment("ANTHROPIC_API_KEY", "");
  await expect(createModelResponder({ model: "openai/gpt-5-mini" })).rejects.toThrow(/set OPENAI_API_KEY/);
  await expect(createModelResponder({ model: "anthropic/claude-sonnet-4-5" })).rejects.toThrow(/set ANTHROPIC_API_KEY/);
  await expect(createModelResponder({ model: "compatible/llama3.2" })).rejects.toThrow(
    /http:\/\/127\.0\.0\.1:11434\/v1/,
  );
  await expect(createModelResponder({ model: "compatible/llama3.2", baseUrl: "localhost:11434" })).rejects.toThrow(
    /whole http or https URL/,
  );
  for (const model of ["gpt-5-mini", "", "openai/", "/gpt", "openai gpt", "opneai/gpt-5-mini"]) {
    await expect(createModelResponder({ model })).rejects.toThrow(
      /write "openai\/<model>", "anthropic\/<model>" or "compatible\/<model>"/,
    );
  }
});
