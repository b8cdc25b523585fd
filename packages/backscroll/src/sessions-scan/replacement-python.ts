import type { UseDetails } from "./dictionary.ts";
import type { Use } from "./scan.ts";

/** Over HTTP, with `api` of the set-up in the mapping document. */
export function pythonCode({ pattern, details, place }: Use): string {
  const { key, before } = keyFor(details.key ?? null);
  const call = callsFor(place.mayAwait);
  const session = `session = ${call.json(`get(f"/api/sessions/${key}")`)}`;
  const { variable } = place;
  const field = details.field ?? null;
  const lines = (): readonly string[] => {
    switch (pattern) {
      case "import":
        return [`from backscroll_api import ${place.mayAwait ? "async_api" : "api"}`];
      case "create":
        return begin(call, key, details);
      case "check":
        return [`is_known = ${call.plain(`get(f"/api/sessions/${key}")`)}.status_code == 200`];
      case "append":
        return [
          call.ok(`post(f"/api/sessions/${key}/messages", json={"messages": [${(details.items ?? []).join(", ")}]})`),
        ];
      case "last-n":
      case "read":
        if (pattern === "read" && details.messages !== true) return [session, ...messages(call, "messages", "200")];
        return [
          session,
          ...messages(call, variable ?? "messages", pattern === "read" ? "200" : (details.limit ?? "20")),
        ];
      case "clear":
        return [
          session,
          `conversation = ${call.json('post("/api/conversations", json={})')}`,
          call.ok(
            `put(f"/api/sessions/${key}", json={"conversation_id": conversation["conversation_id"], "context": session["context"]})`,
          ),
        ];
      case "delete":
        if (details.all)
          return [
            `while sessions := ${sessions(call)}:`,
            "    for session in sessions:",
            `        ${call.ok(`delete(f"/api/sessions/{session['session_id']}")`)}`,
          ];
        return [
          `answer = ${call.plain(`delete(f"/api/sessions/${key}")`)}`,
          "if answer.status_code != 404:",
          "    answer.raise_for_status()",
        ];
      case "iterate":
        return [`for session in ${sessions(call)}:`, '    print(session["session_id"], session["conversation_id"])'];
      case "context-read":
        return [
          session,
          `${variable ?? "value"} = session["context"]${field === null ? "" : `.get(${JSON.stringify(field)})`}`,
        ];
      case "context-write":
        return contextWrite(call, key, details);
      default:
        return [];
    }
  };
  const found = lines();
  return [...(found.some((line) => line.includes(`{${before?.name}}`)) && before ? [before.line] : []), ...found].join(
    "\n",
  );
}

const MESSAGES = "/api/conversations/{session['conversation_id']}/messages";

/** What goes into the f-string; anything with brackets or quotes is put into a variable first. */
function keyFor(key: string | null): { key: string; before: { name: string; line: string } | null } {
  if (key === null) return { key: "{session_id}", before: null };
  if (/^[\w.]+$/.test(key)) return { key: `{${key}}`, before: null };
  return { key: "{session_id}", before: { name: "session_id", line: `session_id = ${key}` } };
}

interface Calls {
  plain(request: string): string;
  /** and fails when it was refused */
  ok(request: string): string;
  json(request: string): string;
}

function callsFor(isAsync: boolean): Calls {
  const plain = (request: string): string => (isAsync ? `(await async_api.${request})` : `api.${request}`);
  const ok = (request: string): string => `${plain(request)}.raise_for_status()`;
  return { plain, ok, json: (request) => `${ok(request)}.json()` };
}

/** The API gives the newest first. */
function messages(call: Calls, variable: string, limit: string): string[] {
  return [`${variable} = ${call.json(`get(f"${MESSAGES}", params={"limit": ${limit}})`)}["messages"][::-1]`];
}

/** So many at a time; `pagination.next_cursor` leads on. */
function sessions(call: Calls): string {
  return `${call.json('get("/api/sessions", params={"limit": 200})')}["sessions"]`;
}

function begin(call: Calls, key: string, { items = [], value = "{}" }: UseDetails): string[] {
  const json = `{"conversation_id": conversation["conversation_id"], "context": ${value}}`;
  const path = `f"/api/conversations/{conversation['conversation_id']}/messages"`;
  return [
    `conversation = ${call.json('post("/api/conversations", json={})')}`,
    call.ok(`put(f"/api/sessions/${key}", json=${json})`),
    ...(items.length > 0 ? [call.ok(`post(${path}, json={"messages": [${items.join(", ")}]})`)] : []),
  ];
}

function contextWrite(call: Calls, key: string, { field = null, value, change }: UseDetails): string[] {
  const path = `f"/api/sessions/${key}"`;
  if (change === "remove" && value !== undefined) return [call.ok(`patch(${path}, json={"remove": [${value}]})`)];
  if (change !== "merge" && field === null) {
    const context = change === "remove" ? "{}" : (value ?? "context");
    const json = `{"conversation_id": session["conversation_id"], "context": ${context}}`;
    return [`session = ${call.json(`get(${path})`)}`, call.ok(`put(${path}, json=${json})`)];
  }
  const changes = change === "merge" ? value : `{${JSON.stringify(field)}: ${value ?? "value"}}`;
  const written = call.ok(`patch(${path}, json={"context": ${changes}})`);
  return [value === undefined ? `${written}  # value: all of it, as it is then` : written];
}

export const PYTHON_SETUP = `# backscroll_api.py: pip install httpx
import os

import httpx

BASE = os.environ.get("BACKSCROLL_URL", "http://localhost:4100")
# An admin's key acts for the user whom x-backscroll-user names; without authentication neither is needed.
HEADERS = {"x-api-key": os.environ["BACKSCROLL_KEY"]} if "BACKSCROLL_KEY" in os.environ else {}

api = httpx.Client(base_url=BASE, headers=HEADERS)
async_api = httpx.AsyncClient(base_url=BASE, headers=HEADERS)
`;
