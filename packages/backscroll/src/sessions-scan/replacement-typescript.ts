import { posix } from "node:path";
import type { UseDetails } from "./dictionary.ts";
import type { Expression } from "./expression.ts";
import { withRoles } from "./message-roles.ts";
import type { Use } from "./scan.ts";

/** `store` is a `SessionStore`: see the set-up in the mapping document. */
export function typescriptCode(use: Use): string {
  const { pattern, file, details, place, expression } = use;
  const key = details.key ?? "sessionId";
  const { variable } = place;
  switch (pattern) {
    case "import":
      return `import { store } from "${storeFrom(file)}";`;
    case "create":
      return begin(use, key);
    case "check":
      return set(variable, `(await store.has(${key}))`);
    case "append":
      return append(use, key);
    case "last-n":
      return expression.isOne
        ? set(variable, `(await store.get(${key}, { limit: 1 }))?.messages.at(-1)`)
        : readLast(use, key);
    case "read":
      return details.messages === true || use.holdsLists ? readMessages(use, key) : readSession(use, key);
    case "clear":
      return [
        `const context = await store.getContext(${key});`,
        `await store.clear(${key});`,
        `await store.setContext(${key}, context);`,
      ].join("\n");
    case "delete":
      return details.all ? `${EACH} await store.clear(id);` : `await store.clear(${key});`;
    case "iterate":
      return iterate(expression.part);
    case "context-read":
      return set(variable, around(expression, `await store.getContext(${key})`));
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

/** `sessions.get(id)?.messages.push(m)` does nothing without a session; the store would begin one. */
function append({ details, expression }: Use, key: string): string {
  const asks = mayBeNone(expression) ? `if (await store.has(${key})) ` : "";
  return withRoles(`${asks}await store.append(${key}, ${messagesArgument(details.items)});`, details.items, "//");
}

function mayBeNone({ part, after }: Expression): boolean {
  return part.includes("?.") || after.startsWith("?.");
}

function readLast({ details, place, expression }: Use, key: string): string {
  const found = `(await store.get(${key}, { limit: ${details.limit} }))?.messages`;
  const { rest, after } = expression;
  if (DEFAULT.test(rest)) return set(place.variable, found + rest);
  const isNone = mayBeNone(expression) && !DEFAULT.test(after);
  return isNone
    ? `${set(place.variable, found)} // undefined when there is none`
    : set(place.variable, `${found} ?? []`);
}

const DEFAULT = /^\s*(\?\?|\|\|)/;

/** Without a session, what had no messages has none, and what had failed finds an empty list. */
function readMessages({ place, expression, holdsLists }: Use, key: string): string {
  const { before, after, pattern } = expression;
  if (pattern !== null) return apart(pattern, key);
  const found = `(await store.get(${key}))?.messages`;
  if (DEFAULT.test(after)) return set(place.variable, `${before}${found}${after}`);
  const isAlone = before === "" && after === "";
  const isOptional = mayBeNone(expression) || (isAlone && holdsLists);
  if (isAlone && isOptional) return `${set(place.variable, found)} // undefined when there is none`;
  if (isOptional) return set(place.variable, `${before}${found}${after}`);
  return set(place.variable, isAlone ? `${found} ?? []` : `${before}(${found} ?? [])${after}`);
}

function readSession({ place, expression }: Use, key: string): string {
  const { before, after, pattern } = expression;
  if (pattern !== null) return apart(pattern, key);
  const read = set(place.variable ?? "session", around(expression, `await store.get(${key})`));
  return before === "" && after === "" ? `${read} // undefined when there is none` : read;
}

/** `const { messages, context } = …`: of other names, the store knows none. */
function apart(pattern: string, key: string): string {
  const names = pattern.replaceAll(/[{}\s]/g, "").split(",");
  if (names.every((name) => /^(messages|context|)$/.test(name))) {
    return `const ${pattern} = (await store.get(${key})) ?? { messages: [], context: {} };`;
  }
  return `const session = await store.get(${key}); // undefined when there is none; it has \`messages\` and \`context\``;
}

function around({ before, after }: Expression, awaited: string): string {
  return before === "" && after === "" ? awaited : `${before}(${awaited})${after}`;
}

function begin({ beginning, place, holdsLists }: Use, key: string): string {
  const { items, context, isConditional, isGuarded } = beginning;
  const steps = [
    ...(items.length > 0 ? [withRoles(`await store.append(${key}, ${messagesArgument(items)});`, items, "//")] : []),
    ...(context === null ? [] : [`await store.setContext(${key}, ${context});`]),
  ];
  const [first = `await store.create(${key});`, ...rest] = steps;
  const made = [first, ...rest].join("\n");
  if (!isConditional) return isGuarded ? made : `${made} // of an id that is in use: await store.clear(${key}) before`;
  const once = steps.length === 0 ? made : `if (!(await store.has(${key}))) {\n  ${made.replaceAll("\n", "\n  ")}\n}`;
  if (place.variable === null) return once;
  const read = holdsLists ? `(await store.get(${key}))?.messages ?? []` : `await store.get(${key})`;
  return `${once}\n${set(place.variable, read)}`;
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
  if (variable !== null) return `const ${variable} = ${expression};`;
  return /^\([^()]*(\([^()]*\)[^()]*)*\)$/.test(expression) ? expression : `(${expression})`;
}

function storeFrom(file: string): string {
  const relative = posix.relative(posix.dirname(file), "session-store");
  return relative.startsWith(".") ? relative : `./${relative}`;
}

const EACH = "for await (const id of store.ids())";

function iterate(part: string): string {
  if (part.endsWith(".size")) return `let count = 0;\n${EACH} count += 1;`;
  if (/^Object\.keys\(|\.keys\(\)$/.test(part)) return `const ids = [];\n${EACH} ids.push(id);`;
  return `${EACH} {\n  const session = await store.get(id);\n}`;
}

function property(field: string): string {
  return isName(field) ? field : JSON.stringify(field);
}

function isName(field: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(field);
}
