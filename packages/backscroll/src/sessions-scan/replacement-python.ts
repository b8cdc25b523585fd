import type { UseDetails } from "./dictionary.ts";
import type { Expression } from "./expression.ts";
import { withRoles } from "./message-roles.ts";
import type { Use } from "./scan.ts";

/** With `session_store.py` of the set-up in the mapping document. */
export function pythonCode(use: Use): string {
  const { pattern, details, place, expression } = use;
  const key = details.key ?? "session_id";
  const call = callIn(place.mayAwait);
  const { variable } = place;
  switch (pattern) {
    case "import":
      return `from session_store import ${place.mayAwait ? "async_store" : "store"}`;
    case "create":
      return begin(use, key, call);
    case "check":
      return set(variable, `${expression.isNegated ? "not " : ""}${call(`has(${key})`)}`);
    case "append":
      return withRoles(call(`append(${[key, ...(details.items ?? [])].join(", ")})`), details.items, "#");
    case "last-n":
      return expression.isOne
        ? set(variable, `${inside(call(`messages(${key}, limit=1)`))}[-1]`)
        : set(variable, call(`messages(${key}, limit=${details.limit ?? "20"})`));
    case "read":
      return details.messages === true || use.holdsLists
        ? read(use, call(`messages(${key})`), "[]")
        : read(use, call(`get(${key})`), "None");
    case "clear":
      return call(`begin(${key}, context=${call(`context(${key})`)})`);
    case "delete":
      if (details.all) return `for session_id in ${call("ids()")}:\n    ${call("delete(session_id)")}`;
      if (variable !== null)
        return `${set(variable, call(`get(${key})`))}  # None when there is none\n${call(`delete(${key})`)}`;
      return call(`delete(${key})`);
    case "iterate":
      return iterate(use, call);
    case "context-read":
      return readContext(use, key, call);
    case "context-write":
      return contextWrite(details, key, call);
    default:
      return "";
  }
}

type Call = (request: string) => string;

function callIn(isAsync: boolean): Call {
  return (request) => (isAsync ? `await async_store.${request}` : `store.${request}`);
}

/** Something follows: `(await …)[-1]`. */
function inside(call: string): string {
  return call.startsWith("await ") ? `(${call})` : call;
}

function around({ before, after }: Expression, call: string): string {
  return before === "" && after === "" ? call : `${before}${inside(call)}${after}`;
}

/** An assignment where a variable is set, otherwise the expression. */
function set(variable: string | null, expression: string): string {
  return variable === null ? inside(expression) : `${variable} = ${expression}`;
}

function read({ place, expression }: Use, call: string, none: "[]" | "None"): string {
  const { before, part, after } = expression;
  // `.get(id, {})`: what it had been without a session.
  const [, other] = /\.get\([^,()]+,\s*(.+)\)$/s.exec(part) ?? [];
  if (none === "None" && other !== undefined && other !== "None") {
    const known = `${inside(call)} or ${other}`;
    return set(place.variable, before === "" && after === "" ? known : `${before}(${known})${after}`);
  }
  const code = set(place.variable, around(expression, call));
  return before === "" && after === "" && other === undefined ? `${code}  # ${none} when there is none` : code;
}

/** A context is a `dict`: what had been an attribute is a key. */
function readContext({ details, place, expression }: Use, key: string, call: Call): string {
  const context = call(`context(${key})`);
  const { before, after } = expression;
  const [, name, other] = /^\.setdefault\(([^,()]+),\s*(.*)\)$/s.exec(after) ?? [];
  if (name !== undefined && other !== undefined) {
    const written = call(`update_context(${key}, {${name}: ${inside(context)}.get(${name}, ${other})})`);
    return place.variable === null ? written : `${written}\n${place.variable} = ${inside(context)}[${name}]`;
  }
  const { field } = details;
  const isAttribute = field != null && new RegExp(`^\\.${field}(?![\\w(])`).test(after);
  const found = isAttribute ? `["${field}"]${after.slice(field.length + 1)}` : after;
  return set(place.variable, around({ ...expression, before, after: found }, context));
}

function iterate({ place, expression: { part } }: Use, call: Call): string {
  const ids = call("ids()");
  if (part.startsWith("len(")) return set(place.variable, `len(${ids})`);
  if (/^(list|sorted|set|tuple)\([^()]*\)$|\.keys\(\)$/.test(part)) return set(place.variable, ids);
  return `for session_id in ${ids}:\n    session = ${call("get(session_id)")}`;
}

function begin({ beginning, place, holdsLists }: Use, key: string, call: Call): string {
  const { items, context, isConditional, isGuarded } = beginning;
  const content = [
    ...(items.length > 0 ? [`messages=[${items.join(", ")}]`] : []),
    ...(context === null ? [] : [`context=${context}`]),
  ];
  const how = isConditional || isGuarded ? "create" : "begin";
  const made = withRoles(call(`${how}(${[key, ...content].join(", ")})`), items, "#");
  if (place.variable === null) return made;
  return `${made}\n${set(place.variable, call(holdsLists ? `messages(${key})` : `get(${key})`))}`;
}

function contextWrite({ field = null, value, change }: UseDetails, key: string, call: Call): string {
  if (change === "remove" && value !== undefined) return call(`update_context(${key}, remove=[${value}])`);
  if (change === "merge" && value !== undefined) {
    return call(`update_context(${key}, ${value.startsWith("**") ? `{${value}}` : value})`);
  }
  if (field === null) return call(`set_context(${key}, ${change === "remove" ? "{}" : (value ?? "context")})`);
  const written = call(`update_context(${key}, {${JSON.stringify(field)}: ${value ?? "value"}})`);
  return value === undefined ? `${written}  # value: all of it, as it is then` : written;
}
