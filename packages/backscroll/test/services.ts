import pg from "pg";
import { pino } from "pino";
import { inject, test as base } from "vitest";
import { loadConfig } from "../src/config.ts";
import type { HistoryCache } from "../src/cache/history-cache.ts";
import { type BackscrollInternals, type BackscrollOptions, create } from "../src/create.ts";
import type { ConversationName } from "../src/service/messages.ts";
import { resolveUser } from "../src/service/users.ts";

/** A Backscroll of its own for one test: a fresh schema, real PostgreSQL. */
export interface Services extends BackscrollInternals {
  /** of this test's schema */
  readonly databaseUrl: string;
  /** @returns a new, empty conversation of this user */
  newConversation(user: string): Promise<ConversationName>;
  /** Calls the HTTP API as this user, without a socket; `body` is sent as JSON. */
  call(user: string, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks into the answer as it likes
  readonly json: any;
}

let schemas = 0;

/** @returns a connection string for a new schema of the run's PostgreSQL, and what drops it */
export async function newSchema(): Promise<{ databaseUrl: string; drop: () => Promise<void> }> {
  const schema = `test_${process.pid}_${Date.now().toString(36)}_${(schemas += 1)}_${Math.random().toString(36).slice(2, 8)}`;
  const server = inject("databaseUrl");
  const run = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await run(`create schema ${schema}`);
  const databaseUrl = new URL(server);
  databaseUrl.searchParams.set("options", `-c search_path=${schema}`);
  return { databaseUrl: databaseUrl.href.replaceAll("+", "%20"), drop: () => run(`drop schema ${schema} cascade`) };
}

/** The user a test's request names; without one it carries no credentials. */
function authenticateByHeader(request: Request): string | null {
  return request.headers.get("x-test-user");
}

/** @param options `local`: as without authentication, instead of by header */
export async function createServices({
  local = false,
  historyCache,
  processMetrics = false,
  ...options
}: BackscrollOptions & {
  databaseUrl: string;
  local?: boolean;
  historyCache?: HistoryCache;
  processMetrics?: boolean;
}): Promise<Services> {
  const {
    authenticate = authenticateByHeader,
    logger = pino({ level: "silent" }),
    responder,
    tracerProvider,
    ...settings
  } = options;
  // With a cache in every test: what is read must not depend on it.
  const cache = settings.redisUrl === undefined ? "memory" : "redis";
  const backscroll = await create(
    { ...loadConfig({}), cache, ...settings },
    {
      logger,
      processMetrics,
      ...(!local && { authenticate }),
      ...(responder && { responder }),
      ...(tracerProvider && { tracerProvider }),
      ...(historyCache && { historyCache }),
    },
  );
  // A test looks after things itself, and what it prepares is not to be gone before.
  await backscroll.firstUpkeep;
  return {
    ...backscroll,
    databaseUrl: options.databaseUrl,
    async newConversation(user) {
      const { id } = await backscroll.conversations.createConversation(user);
      return { userId: await resolveUser(backscroll.deps, user), conversationId: id };
    },
    async call(user, method, path, body, headers = {}) {
      const response = await backscroll.fetch(
        new Request(`http://localhost${path}`, {
          method,
          headers: {
            "x-test-user": user,
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...headers,
          },
          body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
        }),
      );
      const text = await response.text();
      const isJson = /json/.test(response.headers.get("content-type") ?? "");
      return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
    },
  };
}

export const test = base.extend<{ services: Services }>({
  // oxlint-disable-next-line no-empty-pattern -- how Vitest reads a fixture's dependencies
  services: async ({}, use) => {
    const { databaseUrl, drop } = await newSchema();
    const services = await createServices({ databaseUrl });
    await use(services);
    await services.close();
    await drop();
  },
});
