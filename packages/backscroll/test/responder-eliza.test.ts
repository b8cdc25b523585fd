import fc from "fast-check";
import { expect, test } from "vitest";
import { createElizaResponder } from "../src/responder/eliza.ts";
import type { ContextMessage } from "../src/responder/responder.ts";
import { ask, assistant, collect, textOf, user } from "./responder-fixture.ts";

async function reply(messages: ContextMessage[]): Promise<string> {
  return textOf(await collect(createElizaResponder(), ask("", { messages })));
}

test("the first answer says it is ELIZA, offline, and how to get a real model", async () => {
  const first = await reply([user("Hello!")]);
  expect(first).toMatch(/ELIZA/);
  expect(first).toMatch(/offline/);
  expect(first).toMatch(/1966/);
  expect(first).toMatch(/MODEL .*RESPONDER_URL/);

  const second = await reply([user("Hello!"), assistant(first), user("I need a holiday")]);
  expect(second).not.toMatch(/ELIZA/);
});

test("what was said comes back turned round", async () => {
  const before = [user("Hello"), assistant("Hello. What's on your mind?")];
  expect(await reply([...before, user("I need your help with my thesis, please.")])).toBe(
    "Suppose you got my help with your thesis: what then?",
  );
  expect(await reply([...before, user("You hate me")])).toBe("Do you want me to hate you?");
  expect(await reply([...before, user("It rained. I’m very sad")])).toBe("How long have you been sad?");
  expect(await reply([...before, user("i am constructor")])).toMatch(/constructor/);
});

test("the same words asked again get another answer", async () => {
  const first = await reply([user("I am bored"), assistant("x"), user("I am bored")]);
  const second = await reply([
    user("I am bored"),
    assistant("x"),
    user("I am bored"),
    assistant(first),
    user("I am bored"),
  ]);
  expect(second).not.toBe(first);
});

test("with nothing to say it goes back to something of yours, once", async () => {
  const messages = [user("My garden needs rain"), assistant("Why your garden needs rain?"), user("Xyzzy")];
  const recalled = await reply(messages);
  expect(recalled).toBe('Earlier you said "my garden needs rain". Is that still on your mind?');
  expect(await reply([...messages, assistant(recalled), user("Plugh"), assistant("x"), user("Xyzzy")])).not.toBe(
    recalled,
  );
});

test("any server gives the same answer to the same context", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 9 }), async (texts) => {
      const messages = texts.map((text, i) => (i % 2 === 0 ? user(text) : assistant(text)));
      const once = await reply(messages);
      expect(await reply(messages)).toBe(once);
      expect(once.length).toBeGreaterThan(0);
      expect(once.isWellFormed()).toBe(true);
    }),
  );
});

test("a very long message is answered at once and in short", async () => {
  const emoji = "🦜".repeat(200_000);
  const text = await reply([user("hi"), assistant("hi"), user(`I am a${emoji}`)]);
  expect(text.isWellFormed()).toBe(true);
  expect(text.length).toBeLessThan(2000);
});

test("it speaks in pieces and ends with a usage without tokens", async () => {
  const deltas = await collect(createElizaResponder(), ask("Hello"));
  expect(deltas.length).toBeGreaterThan(3);
  expect(deltas.at(-1)).toEqual({ type: "usage", tokensUsed: null, model: "eliza" });
  expect(deltas.slice(0, -1).every((delta) => delta.type === "text")).toBe(true);
});

test("an abort ends it between two pieces, with the reason given", async () => {
  const controller = new AbortController();
  const reason = new Error("stopped by the user");
  const said: unknown[] = [];
  const run = async (): Promise<void> => {
    for await (const delta of createElizaResponder().respond(ask("Hello", { signal: controller.signal }))) {
      said.push(delta);
      controller.abort(reason);
    }
  };
  await expect(run()).rejects.toBe(reason);
  expect(said).toHaveLength(1);
});
