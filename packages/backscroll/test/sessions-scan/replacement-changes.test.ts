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
  ["const upper = s.context.city.toUpperCase();", "const upper = (await store.getContext(id)).city.toUpperCase();"],
  [
    "sessions.set(id, { messages: [], context: {} });",
    "await store.create(id); // of an id that is in use: await store.clear(id) before",
  ],
  [
    'sessions.set(id, { messages: [{ role: "system", content: city }], context: { city } });',
    'await store.append(id, { role: "system", content: city });\nawait store.setContext(id, { city }); // of an id that is in use: await store.clear(id) before',
  ],
];
const PYTHON: readonly (readonly [code: string, replacement: string])[] = [
  ['s["context"] = {"city": city}', 'store.set_context(sid, {"city": city})'],
  ['s["context"]["city"] = city', 'store.update_context(sid, {"city": city})'],
  ['s["context"].update({"city": city})', 'store.update_context(sid, {"city": city})'],
  ['s["context"].update(city=city)', 'store.update_context(sid, {"city": city})'],
  ['s["context"].update(**changes)', "store.update_context(sid, {**changes})"],
  ['del s["context"]["city"]', 'store.update_context(sid, remove=["city"])'],
  ['s["context"][city] = 1', "store.update_context(sid, {city: 1})"],
  ['del s["context"][city]', "store.update_context(sid, remove=[city])"],
  ['s["context"].pop("city", None)', 'store.update_context(sid, remove=["city"])'],
  [
    'SESSIONS[sid] = {"messages": [{"role": "system", "content": city}]}',
    'store.begin(sid, messages=[{"role": "system", "content": city}])',
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
def f(sid, city, changes):
    s = SESSIONS[sid]
    s["messages"].append({"role": "user", "content": city})
${PYTHON.map(([code]) => `    ${code}`).join("\n")}
`,
  );
  for (const [code, replacement] of PYTHON) expect(found.get(code), code).toBe(replacement);
});
