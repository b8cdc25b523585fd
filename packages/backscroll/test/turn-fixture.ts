import { expect, onTestFinished } from "vitest";
import { type FaultyRedis, startFaultyRedis } from "./faulty-redis.ts";
import { type PostgresRelay, startPostgresRelay } from "./postgres-relay.ts";
import { type ScriptedModel, startScriptedModel } from "./scripted-model.ts";
import { newSchema } from "./services.ts";
import { post, type ServiceProcess, startService } from "./service-process.ts";
import { startTcpRelay, type TcpRelay } from "./tcp-relay.ts";
import { openUiStream, type UiStream } from "./ui-stream.ts";

/** Two servers in processes of their own, on one database; A may be harmed, B is whole. */
export interface TwoServers {
  readonly a: Server;
  readonly b: Server;
  readonly model: ScriptedModel;
  /** between A and PostgreSQL */
  readonly postgres: PostgresRelay;
}

export interface TwoServersOnRedis extends TwoServers {
  readonly redis: FaultyRedis;
}

/** One server, as its clients know it. */
export interface Server {
  readonly process: ServiceProcess;
  readonly url: string;
  /** Sends a message and follows its reply. */
  say(turn: Partial<TurnOf>, url?: string): Promise<UiStream>;
  /** Follows the running reply. */
  follow(conversationId: string): Promise<UiStream>;
  stop(conversationId: string): Promise<{ stopped: boolean; message: StoredMessage | null }>;
  /** oldest first */
  history(conversationId: string): Promise<readonly StoredMessage[]>;
}

export interface TurnOf {
  readonly conversation_id: string;
  readonly message_id: string;
  readonly message: string;
}

export interface StoredMessage {
  readonly id: string;
  readonly seq: number;
  readonly role: string;
  readonly content: string;
  readonly status: string;
}

/** How long a server may be silent before another closes its replies, where a test waits for that. */
export const HEARTBEAT_LIMIT_MS = 3_000;
export const REAPED_SOON = { REPLY_HEARTBEAT_TIMEOUT_MS: String(HEARTBEAT_LIMIT_MS) };
/** Beyond the limit: until the next look for silent servers, and for the look itself. */
export const REAPING_MS = 2_500;
/** How old a running reply may be that only PostgreSQL knows of. */
export const CHECKPOINT_MS = 2_000;

export async function twoServersOnRedis(environment: Record<string, string> = {}): Promise<TwoServersOnRedis> {
  const redis = await startFaultyRedis();
  return { redis, ...(await twoServers({ REDIS_URL: redis.url, ...environment })) };
}

/** @param environment of both */
export async function twoServers(environment: Record<string, string> = {}): Promise<TwoServers> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const model = await startScriptedModel();
  onTestFinished(() => model.close());
  const postgres = await startPostgresRelay(databaseUrl);
  onTestFinished(() => postgres.close());
  const settings = {
    MODEL: "compatible/scripted-1",
    MODEL_BASE_URL: model.baseUrl,
    ...environment,
  };
  const [a, b] = await Promise.all([
    startService([], { ...settings, DATABASE_URL: postgres.databaseUrl }),
    startService([], { ...settings, DATABASE_URL: databaseUrl }),
  ]);
  return { a: serverOf(a), b: serverOf(b), model, postgres };
}

function serverOf(process: ServiceProcess): Server {
  const { url } = process;
  return {
    process,
    url,
    say: (turn, through = url) => openUiStream(`${through}/api/conversations/messages`, { ...turn, stream: true }),
    follow: (conversationId) => openUiStream(`${url}/api/chat/${conversationId}/stream`),
    async stop(conversationId) {
      const response = await post(`${url}/api/chat/${conversationId}/stop`, {});
      return (await response.json()) as { stopped: boolean; message: StoredMessage | null };
    },
    async history(conversationId) {
      const response = await fetch(`${url}/api/conversations/${conversationId}/messages?page=1&page_size=50`);
      expect(response.status).toBe(200);
      return ((await response.json()) as { messages: StoredMessage[] }).messages;
    },
  };
}

/** As SIGKILL from an operator or the kernel: nothing of it runs on. */
export async function killHard({ process }: Server): Promise<void> {
  process.child.kill("SIGKILL");
  await process.ended;
}

let conversations = 0;

/** @returns a new conversation with nothing in it, and a turn to take there */
export async function newTurn({ url }: Server, message = "How are you?"): Promise<TurnOf> {
  conversations += 1;
  const conversation_id = `talk-${conversations}`;
  const created = await post(`${url}/api/conversations`, { id: conversation_id, title: "Mine" });
  expect(created.status).toBe(201);
  return { conversation_id, message_id: `question-${conversations}`, message };
}

/** What the reply's reader sees of a history. */
export function briefly(messages: readonly StoredMessage[]): readonly string[] {
  return messages.map(({ role, status, content }) => `${role} ${status}: ${content}`);
}

/** Between a client and a server; it ends with the test. */
export async function relayTo({ url }: Server): Promise<{ relay: TcpRelay; url: string }> {
  const { hostname: host, port } = new URL(url);
  const relay = await startTcpRelay({ host, port: Number(port) });
  onTestFinished(() => relay.close());
  return { relay, url: `http://127.0.0.1:${relay.port}` };
}
