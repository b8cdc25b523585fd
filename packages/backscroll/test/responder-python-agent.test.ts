import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createHttpResponder } from "../src/responder/http.ts";
import type { Responder } from "../src/responder/responder.ts";
import { ask, assistant, collect, textOf, user } from "./responder-fixture.ts";

const SERVER = fileURLToPath(new URL("../../../examples/python-agent/server.py", import.meta.url));
const python = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]);
const missing = python.status === 0 ? null : "python3 of version 3.11 or later is not installed";

async function startAgent(): Promise<Responder> {
  const child = spawn("python3", ["-B", SERVER, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(async () => {
    const exited = new Promise((resolve) => child.once("exit", resolve));
    if (child.kill()) await exited;
  });
  const { value: url } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return createHttpResponder({ url: String(url) });
}

test("the Python agent's search comes back as a tool call, its result and an answer", async ({ skip }) => {
  if (missing !== null) skip(missing);
  const responder = await startAgent();
  const messages = [user("Hi"), assistant("Hello"), user("When was Redis released?")];
  const deltas = await collect(responder, ask("", { messages, tools: ["web_search", "clarification"] }));

  const [call, result] = deltas;
  expect(call).toMatchObject({
    type: "tool-call",
    toolName: "web_search",
    input: { query: "When was Redis released?" },
  });
  expect(result).toMatchObject({
    type: "tool-result",
    toolName: "web_search",
    output: [expect.stringContaining("2009")],
  });
  expect(result).toHaveProperty("toolCallId", call?.type === "tool-call" ? call.toolCallId : null);
  expect(textOf(deltas)).toContain("2009");
  expect(deltas.at(-1)).toEqual({ type: "usage", tokensUsed: null, model: null });
});

test("the Python agent asks back as a clarification when the question is too short", async ({ skip }) => {
  if (missing !== null) skip(missing);
  const deltas = await collect(await startAgent(), ask("Räksmörgås🦐", { tools: ["web_search", "clarification"] }));

  expect(deltas.slice(0, 2)).toMatchObject([
    { type: "tool-call", toolName: "clarification", input: { query: "Räksmörgås🦐" } },
    { type: "tool-result", toolName: "clarification" },
  ]);
  expect(textOf(deltas)).toBe('What would you like to know about "Räksmörgås🦐"?');
});

test("the Python agent uses only the tools it is given", async ({ skip }) => {
  if (missing !== null) skip(missing);
  const deltas = await collect(await startAgent(), ask("Redis"));
  expect(deltas.map((delta) => delta.type)).toEqual(["text", "usage"]);
});
