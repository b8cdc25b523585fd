import { posix } from "node:path";
import type { UseDetails } from "./dictionary.ts";
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
      return begin(key, details);
    case "check":
      return `(await store.has(${key}))`;
    case "append":
      return `await store.append(${key}, ${messagesArgument(details.items)});`;
    case "last-n":
      return details.limit === "1"
        ? set(variable, `(await store.get(${key}, { limit: 1 }))?.messages.at(-1)`)
        : set(variable, `(await store.get(${key}, { limit: ${details.limit} }))?.messages ?? []`);
    case "read":
      return details.messages === true
        ? set(variable, `(await store.get(${key}))?.messages ?? []`)
        : `${set(variable ?? "session", `await store.get(${key})`)} // undefined when there is none`;
    case "clear":
      return [
        `const context = await store.getContext(${key});`,
        `await store.clear(${key});`,
        `await store.setContext(${key}, context);`,
      ].join("\n");
    case "delete":
      return details.all ? `${EACH} await store.clear(id);` : `await store.clear(${key});`;
    case "iterate":
      return `${EACH} {\n  const session = await store.get(id);\n}`;
    case "context-read":
      return set(
        variable,
        field ? `(await store.getContext(${key}))${access(field)}` : `await store.getContext(${key})`,
      );
    case "context-write":
      return contextWrite(key, details);
    default:
      return "";
  }
}

/** One message, or a list of them. */
export function messagesArgument(items: readonly string[] = []): string {
  const [first] = items;
  return items.length === 1 && first !== undefined && !first.startsWith("...") ? first : `[${items.join(", ")}]`;
}

function begin(key: string, { items = [], value }: UseDetails): string {
  const steps = [
    ...(items.length > 0 ? [`await store.append(${key}, ${messagesArgument(items)});`] : []),
    ...(value === undefined ? [] : [`await store.setContext(${key}, ${value});`]),
  ];
  return steps.length > 0 ? steps.join("\n") : `await store.create(${key});`;
}

function contextWrite(key: string, { field = null, value, change }: UseDetails): string {
  if (change === "merge") return `await store.updateContext(${key}, ${value});`;
  if (change === "remove" && value !== undefined) {
    return `await store.updateContext(${key}, {}, { remove: [${value}] });`;
  }
  if (field === null) return `await store.setContext(${key}, ${change === "remove" ? "{}" : (value ?? "context")});`;
  const written = `await store.updateContext(${key}, { ${property(field)}: ${value ?? "value"} });`;
  return value === undefined ? `${written} // value: all of it, as it is then` : written;
}

/** A statement where a variable is set, otherwise the expression. */
function set(variable: string | null, expression: string): string {
  return variable === null ? `(${expression})` : `const ${variable} = ${expression};`;
}

function storeFrom(file: string): string {
  const relative = posix.relative(posix.dirname(file), "session-store");
  return relative.startsWith(".") ? relative : `./${relative}`;
}

const EACH = "for await (const id of store.ids())";

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
import { createBackscroll } from "backscroll";

/** As your dictionary has them. */
type Message = { role: string; content: string };

const backscroll = await createBackscroll({ databaseUrl: process.env.DATABASE_URL });
export const store = backscroll.sessionStore<Message>({
  user: "you@localhost", // whose sessions they are; with users of your own, each request takes store.with({ user })
  // legacy: SESSIONS,   // while some code still uses the dictionary: both are written, and the dictionary is read
});

// What it does; ids are the ones that your dictionary has:
//   has(id), get(id, { limit? })                the newest messages, the oldest of them first, and the context; or undefined
//   create(id), append(id, message or messages) begin the session when there is none
//   getContext(id), updateContext(id, changes)  what is not named stays; setContext(id, context) replaces it
//   clear(id)                                   ends the session; its conversation stays in the user's history
//   ids()                                       for await (const id of store.ids())
`;
