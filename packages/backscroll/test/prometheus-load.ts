import { expect, onTestFinished } from "vitest";
import { bodyOf, sendJson, serve } from "./responder-fixture.ts";

/** One in so many turns. */
const FAILS_EVERY = 25;

/** @returns where an agent is that answers, says how many tokens that took, and fails when it is told to */
export function startAgent(): Promise<string> {
  return serve(async (request, response) => {
    const { query } = await bodyOf(request);
    if (query === "fail") sendJson(response, 500, { error: "told to" });
    else sendJson(response, 200, { content: `You said: ${String(query)}`, tokens: 7, model: "echo" });
  });
}

/**
 * Uses everything that a service offers, over and over, until the test is over: reads that hit, miss and bypass, saves,
 * retries, edits, turns, streams, and requests that fail.
 *
 * @param streamsMax how many event streams the service allows
 */
export function keepBusy(url: string, { streamsMax }: { readonly streamsMax: number }): void {
  const stopped = new AbortController();
  const work = loadUntil(stopped.signal, url, streamsMax);
  onTestFinished(async () => {
    stopped.abort();
    await work;
  });
}

async function loadUntil(stopped: AbortSignal, url: string, streamsMax: number): Promise<void> {
  try {
    const streams = Array.from({ length: streamsMax }, () => fetch(`${url}/api/events`, { signal: stopped }));
    for (const { status } of await Promise.all(streams)) expect(status).toBe(200);
    for (let round = 0; ; round += 1) await useOnce(url, round, stopped);
  } catch (error) {
    if (!stopped.aborted) throw error;
  }
}

async function useOnce(url: string, round: number, signal: AbortSignal): Promise<void> {
  const conversation = `${url}/api/conversations/c${round}`;
  const get = async (path: string): Promise<void> => void (await (await fetch(path, { signal })).text());
  const send = async (path: string, body: unknown, method = "POST"): Promise<void> => {
    const headers = { "content-type": "application/json" };
    await (await fetch(path, { method, headers, body: JSON.stringify(body), signal })).text();
  };
  await send(`${url}/api/conversations`, { id: `c${round}` });
  for (const role of ["system", "user", "assistant", "tool"])
    await send(`${conversation}/messages`, { id: role, role, content: "x" });
  await send(`${conversation}/messages`, { id: "tool", role: "tool", content: "x" }); // a retry
  for (let i = 0; i < 10; i += 1) await get(`${conversation}/messages?limit=3`);
  await send(`${conversation}/messages/user`, { content: "edited" }, "PATCH");
  for (let i = 0; i < 10; i += 1) await get(`${conversation}/messages`);
  for (const query of ["consistency=strong", "page=1"]) await get(`${conversation}/messages?${query}`);
  for (const path of ["/api/conversations", "/api/conversations/none", "/livez", "/readyz"]) await get(url + path);
  // One more than it allows.
  await get(`${url}/api/events`);
  const turn = { message: round % FAILS_EVERY === 0 ? "fail" : "Hello", conversation_id: `c${round}` };
  await send(`${url}/api/conversations/messages`, turn);
  await send(`${url}/api/conversations/messages`, { ...turn, message: "Hello", stream: true });
}
