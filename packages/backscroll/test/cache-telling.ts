import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Server, World } from "./cache-subjects.ts";
import type { Answer } from "./services.ts";

export const ADA = "ada@example.com";
export const BOB = "bob@example.com";

/**
 * A reader on `slow` misses and reads its snapshot; what it brings into the cache arrives only after something else
 * has happened.
 *
 * @param meanwhile @returns who is asked in the end
 */
export async function fillLate(
  world: World,
  slow: Server,
  id: string,
  meanwhile: () => Promise<readonly Server[]>,
): Promise<string> {
  await world.redis.ask("FLUSHALL");
  const held = slow.relay.hold(world.subject.isFill);
  const reader = read(slow, id);
  await held.came;
  const readers = await meanwhile();
  held.release();
  await reader;
  return readOn(readers, id);
}

export async function servers(world: World): Promise<[Server, Server]> {
  return Promise.all([world.server(), world.server()]);
}

/** @returns the id of a new conversation, whose messages are "1", "2", … */
export async function converse(server: Server, length: number): Promise<string> {
  const id = randomUUID();
  expect((await server.call(ADA, "POST", "/api/conversations", { id })).status).toBe(201);
  for (let n = 1; n <= length; n += 1) await say(server, id, String(n));
  return id;
}

/** @returns the message's id */
export async function say(server: Server, id: string, content: string, user = ADA): Promise<string> {
  const said = await server.call(user, "POST", `/api/conversations/${id}/messages`, { role: "user", content });
  expect(said.status).toBe(201);
  return String(said.json.id);
}

export async function read(server: Server, id: string, limit = 20): Promise<string> {
  const answer = await ask(server, id, `?limit=${limit}`);
  // Who leaves the cache aside proves nothing about it.
  if (answer.status === 200) expect(answer.headers.get("x-backscroll-cache")).not.toBe("bypass");
  return toText(answer);
}

export async function ask(server: Server, id: string, query = "", user = ADA): Promise<Answer> {
  return server.call(user, "GET", `/api/conversations/${id}/messages${query}`);
}

/** @returns what all of them are told, the second time too */
export async function readOn(readers: readonly Server[], id: string): Promise<string> {
  const answers: string[] = [];
  for (const reader of [...readers, ...readers]) answers.push(await read(reader, id));
  return told(answers);
}

/** Until each of them has answered it from the cache. */
export async function warm(readers: readonly Server[], id: string): Promise<void> {
  for (const reader of readers) await readUntilHit(reader, id);
}

/** @returns what it is told until its cache answers, and by that */
export async function readUntilHit(server: Server, id: string): Promise<string> {
  const answers: string[] = [];
  const next = async (): Promise<string | null> => {
    const answer = await ask(server, id);
    answers.push(toText(answer));
    return answer.headers.get("x-backscroll-cache");
  };
  await expect.poll(next, { timeout: 10_000 }).toBe("hit");
  return answers.at(-1) === answers[0] ? told(answers) : (answers.at(-1) ?? "");
}

export function told(answers: readonly string[]): string {
  return [...new Set(answers)].join(" / ");
}

export function toText({ status, json }: Answer): string {
  if (status !== 200) return String(status);
  return (json.messages as { content: string }[]).map(({ content }) => content).join(" ");
}

export async function within(ms: number, answer: () => Promise<string>): Promise<string> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve("hangs"), ms);
  const first = await Promise.race([answer(), late]);
  clearTimeout(timer);
  return first;
}

export async function evictLists({ redis }: World): Promise<void> {
  const keys = (await redis.ask("KEYS", "*:messages")) as string[];
  if (keys.length > 0) await redis.ask("DEL", ...keys);
}

/** @returns "5 4 3 2" from 5 to 2 */
export function down(from: number, to: number): string {
  return Array.from({ length: from - to + 1 }, (_, index) => from - index).join(" ");
}
