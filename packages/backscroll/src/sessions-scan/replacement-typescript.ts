import { posix } from "node:path";
import type { Use } from "./scan.ts";

/** `store` is a `SessionStore`: see the set-up in the mapping document. */
export function typescriptCode({ pattern, file, details, place }: Use): string {
  const key = details.key ?? "sessionId";
  const field = details.field ?? null;
  const { variable } = place;
  switch (pattern) {
    case "import":
      return `import { store } from "${storeFrom(file)}";`;
    case "create":
      return `// nothing; to begin with a context: await store.setContext(${key}, { … });`;
    case "check":
      return `(await store.get(${key})) !== null`;
    case "append":
      return `await store.append(${key}, ${(details.items ?? []).join(", ")});`;
    case "last-n":
      return details.limit === "1"
        ? set(variable, `(await store.get(${key}, { limit: 1 }))?.messages.at(-1)`)
        : set(variable, `(await store.get(${key}, { limit: ${details.limit} }))?.messages ?? []`);
    case "read":
      return details.messages === true
        ? set(variable, `(await store.get(${key}))?.messages ?? []`)
        : `${set(variable ?? "session", `await store.get(${key})`)} // null when there is none`;
    case "clear":
      return `await store.clear(${key});`;
    case "delete":
      return details.all
        ? `${LIST}  await conversations.deleteConversation(user, id);\n}`
        : `await store.clear(${key});`;
    case "iterate":
      return `${LIST}  // messageCount, updatedAt and title are there without reading a message\n}`;
    case "context-read":
      return set(variable, `(await store.context(${key}))${field ? access(field) : ""}`);
    case "context-write":
      return `await store.setContext(${key}, ${field ? `{ ${property(field)}: ${details.value ?? "…"} }` : (details.value ?? "{ … }")});`;
    default:
      return "";
  }
}

/** A statement where a variable is set, otherwise the expression. */
function set(variable: string | null, expression: string): string {
  return variable === null ? `(${expression})` : `const ${variable} = ${expression};`;
}

function storeFrom(file: string): string {
  const relative = posix.relative(posix.dirname(file), "session-store");
  return relative.startsWith(".") ? relative : `./${relative}`;
}

const LIST = "for (const { id } of (await conversations.listUserConversations(user)).conversations) {\n";

function access(field: string): string {
  return isName(field) ? `.${field}` : `[${JSON.stringify(field)}]`;
}

function property(field: string): string {
  return isName(field) ? field : JSON.stringify(field);
}

function isName(field: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(field);
}

/** What `store` is, until the code that uses the dictionary has gone. */
export const TYPESCRIPT_SETUP = `// session-store.ts
import { createBackscroll, SessionStore } from "backscroll";

const backscroll = await createBackscroll({ databaseUrl: process.env.DATABASE_URL });
export const conversations = backscroll.conversations;
/** Whose sessions these are: with users of your own, make a store for each. */
export const user = "you@localhost";
export const store = new SessionStore(conversations, user);
// While some code still uses the dictionary, let the store write to it as well:
//   new SessionStore(conversations, user, { dualWrite: SESSIONS })

// What it does; ids are the ones that your dictionary has:
//   get(sessionId, { limit? }): Promise<{ messages, context } | null>   messages: the newest, the oldest of them first
//   append(sessionId, ...messages): Promise<void>                       { role, content }; begins the session when there is none
//   clear(sessionId): Promise<boolean>                                  the conversation goes to the trash
//   context(sessionId): Promise<Record<string, unknown>>                empty when there is none
//   setContext(sessionId, changes): Promise<void>                       what is not named stays
`;
