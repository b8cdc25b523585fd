import type { Value } from "./meaning.ts";
import type { Scope } from "./scopes.ts";
import type { Node, SourceFile } from "./tree.ts";

/** What is done to a session dictionary at one place. */
export const PATTERNS = [
  "declare",
  "import",
  "alias",
  "create",
  "check",
  "append",
  "read",
  "last-n",
  "trim",
  "clear",
  "delete",
  "iterate",
  "context-read",
  "context-write",
  "write-back",
  "unclassified",
] as const;
export type Pattern = (typeof PATTERNS)[number];

/** How a dictionary is reached from where it lives. */
export type Home =
  | { readonly in: "scope"; readonly scope: Scope; readonly name: string }
  | { readonly in: "class"; readonly class: Node; readonly name: string }
  /** `app.state.sessions`: by its last two names, from anywhere. */
  | { readonly in: "path"; readonly owner: string; readonly name: string }
  /** `exports.sessions = {}`, `module.exports = { sessions: {} }` */
  | { readonly in: "export"; readonly name: string }
  /** `STATE = {"sessions": {}}`: by its key, from the object that it is made in. */
  | { readonly in: "object"; readonly object: Node; readonly owner: Home; readonly name: string };

export interface Dictionary {
  readonly name: string;
  readonly home: Home;
  readonly file: SourceFile;
  /** where it is made */
  readonly node: Node;
  /** its type and what it is made with, as text */
  readonly annotation: string;
  /** the declarations of the types that are named there, as far as its file has them */
  readonly valueTypes: string;
  readonly evidence: Evidence;
  readonly uses: FoundUse[];
  /** every expression that was found to stand for something of it */
  readonly reached: Map<Node, Value>;
}

/** What speaks for a dictionary of conversations, and against. Counted while its uses are followed. */
interface Evidence {
  /** the texts of keys that are expressions */
  readonly keys: Set<string>;
  literalKeys: number;
  /** a message with role and content, or as a class of messages, was put in */
  messagesAdded: number;
  /** something that is called a message was put in */
  messagesNamed: number;
  /** `["messages"]`, `.history` of a value was used */
  messageFields: number;
  contextFields: number;
  /** something was appended to a value itself */
  listAppends: number;
  /** a part of a value itself was taken, as of a list */
  slices: number;
  /** values that were put in, as text */
  readonly values: Set<string>;
}

export interface FoundUse {
  readonly pattern: Pattern;
  /** what the report says of it, for `unclassified` always */
  readonly reason: string | null;
  /** the first name of the expression */
  readonly start: Node;
  /** the whole expression that the pattern is */
  readonly node: Node;
  readonly details: UseDetails;
}

/** What a replacement needs to know, as source text. */
export interface UseDetails {
  /** the session's id */
  readonly key?: string | null;
  /** what is appended, or a new session begins with */
  readonly items?: readonly string[];
  /** N of the last N */
  readonly limit?: string;
  /** a field of the context, or of the session beside its messages */
  readonly field?: string | null;
  /** what is written: to the field; without one, the context, or, by `change`, some keys of it, or the key that goes */
  readonly value?: string;
  readonly change?: "merge" | "remove";
  /** all sessions at once */
  readonly all?: boolean;
  /** the messages themselves, not the session that has them */
  readonly messages?: boolean;
  /** a local variable that stands for it is used */
  readonly isAlias?: boolean;
  readonly hasDefault?: boolean;
}

export function newDictionary(
  at: Pick<Dictionary, "name" | "home" | "file" | "node" | "annotation" | "valueTypes">,
): Dictionary {
  const evidence: Evidence = {
    keys: new Set(),
    literalKeys: 0,
    messagesAdded: 0,
    messagesNamed: 0,
    messageFields: 0,
    contextFields: 0,
    listAppends: 0,
    slices: 0,
    values: new Set(),
  };
  return { ...at, evidence, uses: [], reached: new Map() };
}
