import { expect, test } from "vitest";
import { planFix } from "../../src/sessions-scan/fix.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { writeSample } from "./corpus.ts";

type Fixed = Awaited<ReturnType<typeof planFix>> & { readonly after: Readonly<Record<string, string>> };

async function fix(files: Record<string, string>, store = "session-store"): Promise<Fixed> {
  const directory = writeSample({ files: new Map(Object.entries(files)) });
  const plan = await planFix(directory, await scanSessions(directory), { store });
  return { ...plan, after: Object.fromEntries(plan.files.map(({ file, after }) => [file, after])) };
}

const ADD = `export async function add(id, content) {
  sessions.get(id).messages.push({ role: "user", content });
}
`;
const ADDED = `export async function add(id, content) {
  await store.append(id, { role: "user", content });
}
`;
const SESSIONS = "const sessions = new Map();\n";
const MARKED = `// backscroll: declare: nothing: the store keeps the sessions. Delete it when nothing below is left\n${SESSIONS}`;

test("--fix only marks a file that may be CommonJS, and says so", async () => {
  const script = `"use strict";
const express = require("express");
${SESSIONS}async function end(sessionId) {
  sessions.get(sessionId).messages.push({ role: "user", content: "bye" });
  sessions.delete(sessionId);
}
module.exports = { end };
`;
  const { after, onlyMarked } = await fix({ "a.cjs": script, "b.js": script });

  for (const file of ["a.cjs", "b.js"]) {
    expect(after[file]).not.toContain("import");
    expect(after[file]).toContain("  // backscroll: delete: end the session");
    expect(after[file]!.replaceAll(/ *\/\/ backscroll:.*\n/g, "")).toBe(script);
  }
  expect(onlyMarked).toEqual([]);
  const alone = await fix({ "b.js": script });
  expect(alone.onlyMarked).toEqual([{ file: "b.js", why: "it may be CommonJS, and would need an `import`" }]);
});

test("--fix only marks a file that runs in the browser", async () => {
  const { after, onlyMarked } = await fix({ "a.js": `"use client";\nimport a from "a";\n${SESSIONS}${ADD}` });

  expect(after["a.js"]).not.toContain("store.append");
  expect(onlyMarked).toEqual([{ file: "a.js", why: "it runs in the browser" }]);
});

test("--fix only marks what is done with ids that are numbers", async () => {
  const chats = "const sessions = new Map<number, { messages: Message[] }>();\n";
  const { after } = await fix({
    "a.ts": `import a from "a";\n${chats}${ADD.replace("id, content", "id: number, content: string")}`,
  });

  expect(after["a.ts"]).toContain("  // backscroll: append: save the message\n  sessions.get(id)");
});

test("--fix appends only roles that the store takes for certain", async () => {
  const push = (role: string): string => `  sessions.get(id).messages.push({ ${role}, content });\n`;
  const { after } = await fix({
    "a.js": `import a from "a";
${SESSIONS}export async function add(id, role, content) {
${push("role")}${push('role: "agent"')}${push('role: "human"')}${push('role: a ? "user" : "assistant"')}}
`,
  });

  expect(after["a.js"]).toContain(
    ["role", 'role: "agent"'].map((role) => `  // backscroll: append: save the message\n${push(role)}`).join(""),
  );
  expect(after["a.js"]).toContain('  await store.append(id, { role: "human", content });\n');
  expect(after["a.js"]).toContain('  await store.append(id, { role: a ? "user" : "assistant", content });\n');
});

test("--fix loses no comment", async () => {
  const begin = `  if (!sessions.has(id)) {
    // The system prompt comes later.
    sessions.set(id, { messages: [], context: {} });
  }
`;
  const { after } = await fix({
    "a.js": `import a from "a";\n${SESSIONS}export async function f(id) {\n${begin}}\n${ADD}`,
  });

  expect(after["a.js"]).toContain("    // The system prompt comes later.\n");
});

test("--fix rewrites a dictionary of lists", async () => {
  const { after } = await fix({
    "a.js": `import a from "a";
const chats = {};
export async function chat(id, content) {
  if (!chats[id]) chats[id] = [];
  chats[id].push({ role: "user", content });
  const history = chats[id] || [];
  return history;
}
`,
  });

  expect(after["a.js"]).toContain(`  await store.create(id);
  await store.append(id, { role: "user", content });
  const history = (await store.get(id))?.messages ?? [];
  return history;
`);
});

test("--fix gives the store a name that the file does not have", async () => {
  const head = `import session from "express-session";
const sessionStore = new RedisStore();
app.use(session({ store: sessionStore }));
`;
  const { after } = await fix({ "a.js": `${head}${SESSIONS}${ADD}` });

  expect(after["a.js"]).toContain(`import { store as backscrollStore } from "./session-store";\n`);
  expect(after["a.js"]).toContain("  await backscrollStore.append(id, ");
});

test("--fix takes another store that is imported for what it is", async () => {
  const redux = `import { store } from "../redux/store";\n${SESSIONS}${ADD}`;
  const first = await fix({ "src/a.js": redux });
  expect(first.after["src/a.js"]).toContain(
    `import { store } from "../redux/store";\nimport { store as sessionStore } from "../session-store";\n`,
  );
  expect(first.after["src/a.js"]).toContain("  await sessionStore.append(id, ");

  const again = await fix({ "a.js": `import { store } from "./session-store";\n${SESSIONS}${ADD}` }, "lib/chat-store");
  expect(again.after["a.js"]).toContain(`import { store as sessionStore } from "./lib/chat-store";\n`);
  const known = await fix(
    { "a.js": `import { a, store as kept } from "./lib/chat-store.js";\n${SESSIONS}${ADD}` },
    "lib/chat-store",
  );
  expect(known.after["a.js"]).toContain("  await kept.append(id, ");
  expect(known.after["a.js"]!.match(/import/g)).toHaveLength(1);
});

test("--fix leaves a place where a variable hides the store", async () => {
  const code = `import { store } from "./session-store";
${SESSIONS}export async function add(id, content, store) {
  sessions.get(id).messages.push({ role: "user", content });
}
`;
  const { after } = await fix({ "a.js": code });

  expect(after["a.js"]).toContain("  // backscroll: append: save the message\n  sessions.get(id).messages.push(");
});

test("--fix imports below directives, and below comments that have to stay first", async () => {
  const { after } = await fix({
    "directive.js": `"use server";\n\n${SESSIONS}${ADD}`,
    "comments.js": `#!/usr/bin/env node\n// @ts-check\n/* eslint-disable */\n\n/** Ours. */\n${SESSIONS}${ADD}`,
    "after.js": `import a from "a"; // of ours\n${SESSIONS}${ADD}`,
  });

  // Three dictionaries: each alone.
  expect(after["directive.js"]).not.toContain("import");
  const one = async (text: string): Promise<string> => (await fix({ "a.js": text })).after["a.js"]!;
  expect(await one(`"use server";\n\n${SESSIONS}${ADD}`)).toBe(
    `"use server";\nimport { store } from "./session-store";\n\n${MARKED}${ADDED}`,
  );
  expect(await one(`#!/usr/bin/env node\n// @ts-check\n/* eslint-disable */\n\n/** Ours. */\n${SESSIONS}${ADD}`)).toBe(
    `#!/usr/bin/env node\n// @ts-check\n/* eslint-disable */\n\nimport { store } from "./session-store";\n/** Ours. */\n${MARKED}${ADDED}`,
  );
  expect(await one(`import a from "a"; // of ours\n${SESSIONS}${ADD}`)).toBe(
    `import a from "a"; // of ours\nimport { store } from "./session-store";\n${MARKED}${ADDED}`,
  );
});

test("--fix rewrites code without semicolons as such, and makes no line go on with the one before", async () => {
  const { after } = await fix({
    "a.js": `import express from 'express'

const sessions = new Map()

export async function chat(id, content) {
  sessions.get(id).messages.push({ role: 'user', content })
  const note = content
  sessions.get(id).messages.slice(-10).forEach(show)
  const newest = sessions.get(id).messages.slice(-10)
  return newest
}

export const drop = async (id) => { sessions.delete(id) }
`,
  });

  expect(after["a.js"]).toBe(`import express from 'express'
import { store } from "./session-store"

// backscroll: declare: nothing: the store keeps the sessions. Delete it when nothing below is left
const sessions = new Map()

export async function chat(id, content) {
  await store.append(id, { role: 'user', content })
  const note = content
  // backscroll: last-n: read the last N messages
  sessions.get(id).messages.slice(-10).forEach(show)
  const newest = ((await store.get(id, { limit: 10 }))?.messages ?? [])
  return newest
}

export const drop = async (id) => { await store.clear(id) }
`);
});

test("--fix keeps a byte order mark, and the line ends that a file has", async () => {
  const text = `\uFEFFimport express from "express";\n${SESSIONS}${ADD}`.replaceAll("\n", "\r\n");
  const { after, files } = await fix({ "a.js": text });

  expect(files[0]!.before).toBe(text);
  expect(after["a.js"]).toBe(
    `\uFEFFimport express from "express";\nimport { store } from "./session-store";\n${MARKED}${ADDED}`.replaceAll(
      "\n",
      "\r\n",
    ),
  );
});

test("--fix rewrites nothing where two dictionaries would share a store", async () => {
  const { after, tooMany } = await fix({
    "a.ts": `import { ask } from "./ask.js";
const supportChats = new Map<string, { messages: Message[] }>();
const salesChats = new Map<string, { messages: Message[] }>();
export async function support(userId: string, content: string) {
  supportChats.get(userId)!.messages.push({ role: "user", content });
}
export async function sales(userId: string, content: string) {
  salesChats.get(userId)!.messages.push({ role: "user", content });
}
`,
  });

  expect(tooMany).toEqual(["supportChats (a.ts:2)", "salesChats (a.ts:3)"]);
  expect(after["a.ts"]).not.toContain("store.append");
  expect(after["a.ts"]).toContain("  // backscroll: append: save the message\n  salesChats.get");
});

test("--fix leaves a statement that reads the session inside of what it appends", async () => {
  const { after } = await fix({
    "a.js": `import { ask } from "./ask.js";
${SESSIONS}export async function reply(id) {
  sessions.get(id).messages.push({ role: "assistant", content: await ask(sessions.get(id).messages) });
}
`,
  });

  expect(after["a.js"]).toContain("  // backscroll: append, read\n  sessions.get(id).messages.push(");
  expect(after["a.js"]).not.toContain("store.append");
});

test("--fix leaves a slice whose length is not known to be a count", async () => {
  const { after } = await fix({
    "a.js": `import { MAX } from "./settings.js";
${SESSIONS}const WINDOW = 20;
export async function all(id) {
  sessions.get(id).messages.push({ role: "user", content: "x" });
  await show(sessions.get(id).messages.slice(-0));
  await show(sessions.get(id).messages.slice(-MAX));
  await show(sessions.get(id).messages.slice(-WINDOW));
}
`,
  });

  expect(after["a.js"]).toContain("await show(sessions.get(id).messages.slice(-0));");
  expect(after["a.js"]).toContain("await show(sessions.get(id).messages.slice(-MAX));");
  expect(after["a.js"]).toContain("{ limit: WINDOW }");
});

test("--fix moves no reads that count on a file which is left alone", async () => {
  const files = {
    "state.js": "export const sessions = new Map();\n",
    "a.js": `import { sessions } from "./state.js";\n${ADD}`,
    "b.js": `import { sessions } from "./state.js";\nexport async function read(id) {\n  return sessions.get(id)?.messages ?? [];\n}\n`,
  };
  const directory = writeSample({ files: new Map(Object.entries(files)) });
  const scanned = await scanSessions(directory);
  const plan = await planFix(directory, scanned, { store: "session-store", leaveAlone: new Map([["a.js", "so"]]) });

  expect(plan.skipped).toEqual([{ file: "a.js", why: "so" }]);
  expect(plan.files.map(({ file, rewritten }) => [file, rewritten])).toEqual([
    ["b.js", 0],
    ["state.js", 0],
  ]);
  const all = await planFix(directory, scanned, { store: "session-store" });
  expect(all.files.map(({ rewritten }) => rewritten)).toEqual([1, 1, 0]);
  expect(all.stillUsed).toEqual([]);
});

test("--fix puts its comment above those that speak of the next line, and says what is still used", async () => {
  const { after, stillUsed } = await fix({
    "a.js": `import { ask } from "./ask.js";
${SESSIONS}export function addNow(id, content) {
  // eslint-disable-next-line no-unused-expressions
  sessions.get(id)?.messages.push({ role: "user", content });
}
${ADD}`,
  });

  expect(after["a.js"]).toContain(`  // backscroll: append: save the message
  // eslint-disable-next-line no-unused-expressions
  sessions.get(id)?.messages.push(`);
  expect(stillUsed).toEqual(["sessions (a.js:2)"]);
});

test("--fix goes on when the dictionary is beside the store, as its `legacy`", async () => {
  const setUp = (legacy: string): string => `import { createBackscroll, legacyDictionary } from "backscroll";
export ${SESSIONS}const backscroll = await createBackscroll();
export const store = backscroll.sessionStore({ user: "ada@example.com", legacy: ${legacy} });
`;
  for (const legacy of ["sessions", "legacyDictionary(sessions, { create: () => [] })"]) {
    const { after, stillUsed } = await fix({
      "session-store.ts": setUp(legacy),
      "a.js": `import { sessions, store } from "./session-store.ts";
${ADD}export async function read(id) {
  return sessions.get(id)?.messages ?? [];
}
`,
    });

    expect(after["a.js"]).toBe(`import { sessions, store } from "./session-store.ts";
${ADDED}export async function read(id) {
  return (await store.get(id))?.messages ?? [];
}
`);
    expect(stillUsed).toEqual([]);
  }
});
