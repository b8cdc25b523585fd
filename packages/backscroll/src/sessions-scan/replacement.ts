import type { Pattern } from "./dictionary.ts";
import { pythonCode } from "./replacement-python.ts";
import { typescriptCode } from "./replacement-typescript.ts";
import type { Use } from "./scan.ts";

export interface Replacement {
  /** one sentence */
  readonly what: string;
  /** in the language of the use, with the names of the code that it stands for; empty when nothing is needed */
  readonly code: string;
}

const WHAT: Readonly<Record<Pattern, string>> = {
  declare: "Nothing: the store keeps the sessions. Delete it when nothing below is left",
  import: "The import of the store",
  alias: "Nothing: the store needs no second name",
  create: "Begin the session: its first message does, too",
  check: "Ask whether the session is known",
  append: "Save the message",
  read: "Read the newest messages",
  "last-n": "Read the last N messages",
  trim: "Nothing: nothing grows in memory, and reads take a limit",
  clear: "Begin the session anew, with its context: the conversation before stays in the user's history",
  delete: "End the session: its conversation stays in the user's history",
  iterate: "Go through the ids of the sessions",
  "context-read": "Read the session's context",
  "context-write": "Change the session's context",
  "write-back": "Nothing: what was saved is saved",
  unclassified: "By hand",
};

const NEEDS_NOTHING = new Set<Pattern>(["declare", "alias", "trim", "write-back"]);

export function replacementFor(use: Use): Replacement {
  const isPython = use.language === "python";
  const what = whatFor(use);
  if (NEEDS_NOTHING.has(use.pattern) || use.pattern === "unclassified") return { what, code: "" };
  return { what, code: isPython ? pythonCode(use) : typescriptCode(use) };
}

function whatFor({ pattern, reason, details }: Use): string {
  if (pattern === "unclassified") return `By hand: ${reason}`;
  return pattern === "delete" && details.all === true ? "End all sessions" : WHAT[pattern];
}
