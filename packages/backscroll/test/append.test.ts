import { expect } from "vitest";
import { saveMessages } from "../src/service/messages.ts";
import { test } from "./services.ts";

const message = (content: string): { role: "user"; content: string } => ({ role: "user", content });

test("50 concurrent appends take seq 1 to 50, each its own version", async ({ services }) => {
  const at = await services.newConversation("ada@example.com");

  const appends = Array.from({ length: 50 }, (_, i) => saveMessages(services.deps, at, [message(`m${i}`)]));
  const results = await Promise.all(appends);

  const seqs = results.flatMap((result) => result.messages.map((json) => JSON.parse(json).seq as number));
  expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
});
