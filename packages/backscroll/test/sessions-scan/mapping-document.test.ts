import { expect, test } from "vitest";
import { mappingDocument } from "../../src/sessions-scan/mapping-document.ts";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { writeSample } from "./corpus.ts";

async function setUpOf(files: Record<string, string>): Promise<string> {
  const document = mappingDocument(await scanSessions(writeSample({ files: new Map(Object.entries(files)) })));
  return /^## Set-up\n(.*?)\n^## /ms.exec(document)![1]!;
}

const PUSH = `export function add(id: string, content: string) {
  sessions.get(id)!.push({ role: "user", content });
}
`;

test("the set-up writes the dictionary, too, which moves to where no import goes in a circle", async () => {
  const setUp = await setUpOf({
    "chat.ts": `const sessions = new Map<string, { messages: Message[] }>();\n${PUSH.replace("!.push", "!.messages.push")}`,
  });

  expect(setUp)
    .toContain(`/** Moved here from chat.ts:1, with the types that it names; whoever uses it imports it from here. */
export const sessions = new Map<string, { messages: Message[] }>();
`);
  expect(setUp).toContain("\n  legacy: sessions, // until nothing uses the dictionary");
});

test("the set-up of a dictionary of lists begins a session as a list", async () => {
  const setUp = await setUpOf({ "chat.ts": `export const sessions = new Map<string, Message[]>();\n${PUSH}` });

  expect(setUp).toContain('import { createBackscroll, legacyDictionary } from "backscroll";\n');
  expect(setUp).toContain("\n  legacy: legacyDictionary(sessions, { create: () => [] }), //");
});

test("the set-up says where a dictionary is that cannot move", async () => {
  const setUp = await setUpOf({
    "chat.ts": `export class Chat {
  private sessions = new Map<string, Message[]>();
  add(id: string, content: string) {
    this.sessions.get(id)!.push({ role: "user", content });
  }
}
`,
  });

  expect(setUp).toContain(
    "\n  // legacy: legacyDictionary(sessions, { create: () => [] }), // the one of chat.ts:2; until nothing uses",
  );
});

test("the set-up of two dictionaries says that a store cannot tell their sessions apart", async () => {
  const setUp = await setUpOf({
    "a.ts": `export const sessions = new Map<string, Message[]>();\n${PUSH}`,
    "b.ts": `export const chats = new Map<string, Message[]>();\n${PUSH.replace("sessions", "chats")}`,
  });

  expect(setUp).toContain("`sessions` (a.ts:1), `chats` (b.ts:1) are 2 dictionaries. In one store, sessions of two");
  expect(setUp).not.toContain("legacy: ");
});
