/** A dictionary that the store is to write as well. */
export interface LegacyDictionary {
  readonly name: string;
  /** `file:line` */
  readonly declaredAt: string;
  /** its values are the lists of messages themselves */
  readonly holdsLists: boolean;
  /** the first line of the statement that makes it */
  readonly code: string;
}

/** What `store` is, until the code that uses the dictionary has gone. */
export function typescriptSetup(dictionaries: readonly LegacyDictionary[]): string {
  const [only] = dictionaries.length === 1 ? dictionaries : [];
  const moved = only && movedHere(only);
  return `// session-store.ts: an ES module, for it awaits; in CommonJS the store is a promise (docs/migrate.md, step 1)
import { createBackscroll${only?.holdsLists === true ? ", legacyDictionary" : ""} } from "backscroll";

/** As your dictionary has them. */
type Message = { role: string; content: string };
${moved ?? ""}
const backscroll = await createBackscroll({ databaseUrl: process.env.DATABASE_URL });
export const store = backscroll.sessionStore<Message>({
  user: "you@localhost", // whose sessions they are; with users of your own, each request takes store.with({ user })
${only ? legacy(only, moved !== null) : ""}});

// What it does; ids are the ones that your dictionary has, as text: of a number, String(id)
//   has(id), get(id, { limit? })                the newest messages, the oldest of them first, and the context; or undefined
//   create(id), append(id, message or messages) begin the session when there is none
//   getContext(id), updateContext(id, changes)  what is not named stays; setContext(id, context) replaces it
//   clear(id)                                   ends the session; its conversation stays in the user's history
//   ids()                                       for await (const id of store.ids())
`;
}

/** Beside the store, and not where it was: that file imports the store, and each would wait for the other. */
function movedHere({ name, declaredAt, code }: LegacyDictionary): string | null {
  const line = code.replace(/^export\s+/, "");
  if (!new RegExp(`^(const|let|var)\\s+${name}\\b`).test(line) || !isWhole(line)) return null;
  return `
/** Moved here from ${declaredAt}, with the types that it names; whoever uses it imports it from here. */
export ${line.replace(/;?$/, ";")}
`;
}

function legacy({ name, declaredAt, holdsLists }: LegacyDictionary, isMoved: boolean): string {
  const dictionary = holdsLists ? `legacyDictionary(${name}, { create: () => [] })` : name;
  const until = "until nothing uses the dictionary: both are written, and the dictionary is read";
  if (isMoved) return `  legacy: ${dictionary}, // ${until}\n`;
  return `  // legacy: ${dictionary}, // the one of ${declaredAt}; ${until}\n`;
}

/** Every bracket is closed. */
function isWhole(line: string): boolean {
  const count = (brackets: RegExp): number => line.match(brackets)?.length ?? 0;
  return count(/[([{]/g) === count(/[)\]}]/g);
}
