import { expect, test } from "vitest";
import { replacementFor } from "../../src/sessions-scan/replacement.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { writeSample } from "./corpus.ts";

const TYPESCRIPT: readonly (readonly [code: string, replacement: string])[] = [
  ["s.context = { city };", "await store.setContext(id, { city });"],
  ["s.context.city = city;", "await store.updateContext(id, { city: city });"],
  ["delete s.context.city;", 'await store.updateContext(id, {}, { remove: ["city"] });'],
  ["s.context[city] = 1;", "await store.updateContext(id, { [city]: 1 });"],
  ["delete s.context[city];", "await store.updateContext(id, {}, { remove: [city] });"],
  ["delete s.context;", "await store.setContext(id, {});"],
  ["Object.assign(s.context, { city });", "await store.updateContext(id, { city });"],
  ["s.context.turns += 1;", "await store.updateContext(id, { turns: value }); // value: all of it, as it is then"],
  ["s.context.home.city = city;", "await store.updateContext(id, { home: value }); // value: all of it, as it is then"],
  ["const upper = s.context.city.toUpperCase();", "const upper = (await store.getContext(id)).city;"],
  ["sessions.set(id, { messages: [], context: {} });", "await store.create(id);"],
  [
    'sessions.set(id, { messages: [{ role: "system", content: city }], context: { city } });',
    'await store.append(id, { role: "system", content: city });\nawait store.setContext(id, { city });',
  ],
];
const PYTHON: readonly (readonly [code: string, request: string])[] = [
  [
    's["context"] = {"city": city}',
    'put(f"/api/sessions/{sid}", json={"conversation_id": session["conversation_id"], "context": {"city": city}})',
  ],
  ['s["context"]["city"] = city', 'patch(f"/api/sessions/{sid}", json={"context": {"city": city}})'],
  ['s["context"].update({"city": city})', 'patch(f"/api/sessions/{sid}", json={"context": {"city": city}})'],
  ['s["context"].update(city=city)', 'patch(f"/api/sessions/{sid}", json={"context": {"city": city}})'],
  ['del s["context"]["city"]', 'patch(f"/api/sessions/{sid}", json={"remove": ["city"]})'],
  ['s["context"][city] = 1', 'patch(f"/api/sessions/{sid}", json={"context": {city: 1}})'],
  ['del s["context"][city]', 'patch(f"/api/sessions/{sid}", json={"remove": [city]})'],
  ['s["context"].pop("city", None)', 'patch(f"/api/sessions/{sid}", json={"remove": ["city"]})'],
  [
    'SESSIONS[sid] = {"messages": [{"role": "system", "content": city}]}',
    'post(f"/api/conversations/{conversation[\'conversation_id\']}/messages", json={"messages": [{"role": "system", "content": city}]})',
  ],
];

async function replacementsIn(file: string, text: string): Promise<Map<string, string>> {
  const { uses } = await scanSessions(writeSample({ files: new Map([[file, text]]) }));
  return new Map(uses.map((use) => [use.code, replacementFor(use).code]));
}

test("in TypeScript, what changes of a context or begins a session is what the dictionary had changed", async () => {
  const found = await replacementsIn(
    "a.ts",
    `const sessions = new Map<string, { messages: { role: string; content: string }[]; context: any }>();
export async function f(id: string, city: string) {
  const s = sessions.get(id)!;
  s.messages.push({ role: "user", content: city });
${TYPESCRIPT.map(([code]) => `  ${code}`).join("\n")}
}
`,
  );
  for (const [code, replacement] of TYPESCRIPT) expect(found.get(code), code).toBe(replacement);
});

test("in Python, likewise over HTTP", async () => {
  const found = await replacementsIn(
    "a.py",
    `SESSIONS = {}
def f(sid, city):
    s = SESSIONS[sid]
    s["messages"].append({"role": "user", "content": city})
${PYTHON.map(([code]) => `    ${code}`).join("\n")}
`,
  );
  for (const [code, request] of PYTHON) expect(found.get(code), code).toContain(`api.${request}.raise_for_status()`);
});
