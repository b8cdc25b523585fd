import { expect, test } from "vitest";
import { revokeApiKey } from "../src/service/api-keys.ts";
import { type ApiOperation, fillPath, readApi } from "./api-operations.ts";
import { type Authenticated, bearer, startWithIssuer } from "./authenticated-services.ts";
import { expectProblem } from "./problem.ts";
import type { Answer } from "./services.ts";
import type { TokenIssuer } from "./token-issuer.ts";

// Who may call what: every operation of the API with every kind of credentials. An operation without a row fails.

type Service = Authenticated & { readonly issuer: TokenIssuer };
type Headers = Record<string, string>;

/** What the call names of its owner's: a conversation, one of its messages, and a session that is in it. */
interface Names {
  readonly conversationId: string;
  readonly messageId: string;
  readonly sessionId: string;
}

interface Row {
  /**
   * `open`: for everybody. `personal`: names nothing, and is about what is the caller's own. `named`: names what is
   * somebody's. `admin`: for admins.
   */
  readonly kind: "open" | "personal" | "named" | "admin";
  /** how it answers who may */
  readonly own: number;
  /** of `named`: how it answers for what is somebody else's, and for what is not there; 404 unless it says */
  readonly others?: number;
  readonly query?: string;
  readonly body?: (names: Names) => object;
  /** what is done before by its owner, beside the conversation and its messages */
  readonly before?: (
    as: (method: string, path: string, body?: object) => Promise<Answer>,
    names: Names,
  ) => Promise<void>;
}

const EXPORT = { backscroll_export: 1, conversations: [] };

/** By operation: how it is called with good input on what is one's own. */
const ROWS: Record<string, Row> = {
  livez: { kind: "open", own: 200 },
  readyz: { kind: "open", own: 200 },
  logout: { kind: "open", own: 200 },
  sendMessage: {
    kind: "named",
    own: 200,
    body: ({ conversationId }) => ({ message: "Hello", conversation_id: conversationId }),
  },
  chat: {
    kind: "named",
    own: 200,
    body: ({ conversationId }) => ({ message: "Hello", conversation_id: conversationId }),
  },
  followReply: { kind: "named", own: 204, others: 204 },
  stopReply: { kind: "named", own: 200, others: 200 },
  createConversation: { kind: "personal", own: 201, body: () => ({ title: "Plans" }) },
  listConversations: { kind: "personal", own: 200 },
  getConversation: { kind: "named", own: 200 },
  updateConversation: { kind: "named", own: 200, body: () => ({ pinned: true }) },
  deleteConversation: { kind: "named", own: 200, query: "?permanent=true" },
  restoreConversation: {
    kind: "named",
    own: 200,
    before: async (as, { conversationId }) => {
      expect((await as("DELETE", `/api/conversations/${conversationId}`)).status).toBe(200);
    },
  },
  listDeletedConversations: { kind: "personal", own: 200 },
  saveMessages: { kind: "named", own: 201, body: () => ({ role: "user", content: "Hello" }) },
  listMessages: { kind: "named", own: 200 },
  editMessage: { kind: "named", own: 200, body: () => ({ content: "Hello again" }) },
  deleteMessage: { kind: "named", own: 200 },
  exportConversation: { kind: "named", own: 200 },
  importConversations: { kind: "personal", own: 200, body: () => EXPORT },
  followChanges: { kind: "personal", own: 200 },
  getMe: { kind: "personal", own: 200 },
  eraseMe: { kind: "personal", own: 200 },
  getUsage: { kind: "personal", own: 200 },
  exportMe: { kind: "personal", own: 200 },
  listAudit: { kind: "admin", own: 200 },
  getOperatorReport: { kind: "admin", own: 200 },
  getSession: { kind: "named", own: 200 },
  listSessions: { kind: "personal", own: 200 },
  // By any id it is a session of one's own.
  appendToSession: { kind: "personal", own: 201, body: () => ({ role: "user", content: "Hello" }) },
  // Of the session, everybody has one of their own by this id; what is somebody's is the conversation.
  putSession: { kind: "named", own: 200, body: ({ conversationId }) => ({ conversation_id: conversationId }) },
  updateSession: { kind: "named", own: 200, body: () => ({ context: { theme: "dark" } }) },
  deleteSession: { kind: "named", own: 200 },
};
/** It has its credentials in its body. */
const LOGIN = "login";

const OWNER = "owner@example.com";
const ADMIN = "admin@example.com";
const SAME_ORIGIN = { origin: "http://localhost" };

/** Credentials of this user that must not be taken, by what is wrong with them. */
const BAD: Record<string, (service: Service, user: string) => Promise<string>> = {
  "a token that has expired": ({ issuer }, user) => issuer.token(user, { expiresIn: -60 }),
  "a token for another audience": ({ issuer }, user) => issuer.token(user, { claims: { aud: "elsewhere" } }),
  "alg none": async ({ issuer }, user) => issuer.unsigned(user),
  "HS256 signed with the RSA public key": ({ issuer }, user) => issuer.confused(user),
  "a revoked key": async ({ services, newKey }, user) => {
    const { id, secret } = await newKey(user, { scope: "admin" });
    await revokeApiKey(services.deps, id);
    return secret;
  },
};

/** Ways for this user to say who they are. */
const GOOD: Record<string, (service: Service, user: string) => Promise<Headers>> = {
  "one's own key": async ({ newKey }, user) => bearer((await newKey(user, { scope: scopeOf(user) })).secret),
  "one's own token": async ({ issuer }, user) => bearer(await issuer.token(user)),
  "one's own login": async ({ send, issuer }, user) => {
    const { headers } = await send("POST", "/api/login", SAME_ORIGIN, { credential: await issuer.token(user) });
    return { ...SAME_ORIGIN, cookie: /^[^;]+/.exec(headers.get("set-cookie") ?? "")?.[0] ?? "" };
  },
  "a backend's key": async ({ newKey }, user) => {
    const { secret } = await newKey("backend@example.com", { scope: "admin" });
    return { "x-api-key": secret, "x-backscroll-user": user };
  },
};

function scopeOf(user: string): "admin" | "own" {
  return user === ADMIN ? "admin" : "own";
}

test("every operation of the API has a row, and every row an operation", async () => {
  const { operations } = await readApi((await start()).services);
  expect([...Object.keys(ROWS), LOGIN].toSorted()).toEqual(operations.map(({ id }) => id).toSorted());
});

test.for(Object.keys(ROWS))("%s: without valid credentials it is refused, and changes nothing", async (id) => {
  const service = await start();
  const { operation, row } = await find(service, id);
  const { names, as } = await prepare(service, row, OWNER);
  const before = await everythingOf(as);
  const refusals: Record<string, Headers> = { nothing: {} };
  for (const [what, make] of Object.entries(BAD)) refusals[what] = bearer(await make(service, OWNER));
  for (const [what, headers] of Object.entries(refusals)) {
    const answer = await call(service, operation, row, names, headers);
    if (row.kind === "open") expect(answer.status, what).toBe(row.own);
    else {
      expect(answer.status, what).toBe(401);
      expectProblem(answer, "unauthenticated");
      expect(answer.headers.get("www-authenticate"), what).toBe("Bearer");
    }
  }
  expect(await everythingOf(as)).toEqual(before);
});

test.for(Object.keys(ROWS))("%s: with credentials of one's own, whatever their kind, it answers", async (id) => {
  const service = await start();
  const { operation, row } = await find(service, id);
  for (const [what, make] of Object.entries(GOOD)) {
    // Each a person of their own: what one call takes away is there for the next.
    const user = row.kind === "admin" ? ADMIN : `${Object.keys(GOOD).indexOf(what)}@example.com`;
    const { names } = await prepare(service, row, user);
    const answer = await call(service, operation, row, names, await make(service, user));
    expect(answer.status, `${what} ${answer.text.slice(0, 300)}`).toBe(row.own);
  }
});

test.for(Object.keys(ROWS))("%s: somebody else's is as if it were not there", async (id) => {
  const service = await start();
  const { operation, row } = await find(service, id);
  const { names, as } = await prepare(service, row, OWNER);
  const before = await everythingOf(as);
  for (const [what, make] of Object.entries(GOOD)) {
    // Each a person of their own: one may be erased.
    const headers = await make(service, `other-${Object.keys(GOOD).indexOf(what)}@example.com`);
    const answer = await call(service, operation, row, names, headers);
    if (row.kind === "admin") {
      // A backend's key is an admin's.
      if (headers["x-api-key"] === undefined) expectProblem(answer, "forbidden");
      continue;
    }
    expect(answer.status, what).toBe(row.kind === "named" ? (row.others ?? 404) : row.own);
    expect(answer.text, what).not.toContain("kept of owner");
    if (row.kind !== "named") continue;
    const missing = {
      conversationId: "no-such-conversation",
      messageId: "no-such-message",
      sessionId: "no-such-session",
    };
    expect(comparable(answer), what).toEqual(comparable(await call(service, operation, row, missing, headers)));
  }
  expect(await everythingOf(as)).toEqual(before);
});

test("login: takes what every route takes, and refuses what every route refuses", async () => {
  const service = await start();
  const login = (credential: string): Promise<Answer> =>
    service.send("POST", "/api/login", SAME_ORIGIN, { credential });
  for (const [what, make] of Object.entries(BAD)) {
    const answer = await login(await make(service, OWNER));
    expect(answer.status, what).toBe(401);
    expectProblem(answer, "unauthenticated");
  }
  for (const credential of [await service.issuer.token(OWNER), (await service.newKey(OWNER)).secret]) {
    expect((await login(credential)).json).toMatchObject({ email: OWNER });
  }
});

test("what needs no credentials: the description, and whether it lives", async () => {
  const { send } = await start();
  for (const path of ["/livez", "/readyz", "/api/docs", "/api/openapi.json"]) {
    expect((await send("GET", path)).status, path).toBe(200);
  }
  for (const path of ["/api", "/api/nothing", "/api/login", "/api/conversations/../me"]) {
    expect((await send("GET", path)).status, path).not.toBe(200);
  }
});

async function start(): Promise<Service> {
  return startWithIssuer({ admins: [ADMIN] });
}

async function find({ services }: Service, id: string): Promise<{ operation: ApiOperation; row: Row }> {
  const { operations } = await readApi(services);
  const operation = operations.find((one) => one.id === id);
  const row = ROWS[id];
  if (!operation || !row) throw new Error(`the API has no operation ${id}`);
  return { operation, row };
}

/** Gives the user a conversation with two messages, and what else the row needs. */
async function prepare(
  { send, issuer }: Service,
  row: Row,
  user: string,
): Promise<{ names: Names; as: (method: string, path: string, body?: object) => Promise<Answer> }> {
  const credentials = bearer(await issuer.token(user));
  const as = (method: string, path: string, body?: object): Promise<Answer> => send(method, path, credentials, body);
  const name = user.replace("@", "-");
  const names = { conversationId: `of-${name}`, messageId: "first", sessionId: `session-of-${name}` };
  const text = `kept of ${user}`;
  await as("POST", "/api/conversations", { id: names.conversationId, title: text });
  const messages = ["first", "second"].map((id) => ({ id, role: "user", content: text }));
  await as("POST", `/api/conversations/${names.conversationId}/messages`, { messages });
  await as("PUT", `/api/sessions/${names.sessionId}`, { conversation_id: names.conversationId });
  await row.before?.(as, names);
  return { names, as };
}

async function everythingOf(as: (method: string, path: string) => Promise<Answer>): Promise<unknown> {
  const { conversations } = (await as("GET", "/api/conversations")).json;
  const { conversations: deleted } = (await as("GET", "/api/trash")).json;
  const ids: string[] = conversations.map((one: { conversation_id: string }) => one.conversation_id);
  const messages = await Promise.all(ids.map((id) => as("GET", `/api/conversations/${id}/messages`)));
  return { conversations, deleted, messages: messages.map(({ json }) => json) };
}

async function call(
  { services }: Service,
  operation: ApiOperation,
  row: Row,
  names: Names,
  headers: Headers,
): Promise<Answer> {
  const path = `${fillPath(operation, { ...names })}${row.query ?? ""}`;
  const body = row.body?.(names);
  const response = await services.fetch(
    new Request(`http://localhost${path}`, {
      method: operation.method,
      headers: { ...(body && { "content-type": "application/json" }), ...headers },
      body: body ? JSON.stringify(body) : null,
    }),
  );
  // A stream of changes has no end.
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  if (isStream) await response.body?.cancel();
  const text = isStream ? "" : await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** @returns what must not tell whether it is there */
function comparable({ status, headers, json = {} }: Answer): unknown {
  const { request_id: _, ...body } = json;
  return { status, body, headers: [...headers].filter(([name]) => name !== "x-request-id") };
}
