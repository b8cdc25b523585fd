import type { Dictionary } from "./dictionary.ts";
import type { Node } from "./tree.ts";

/** What an expression stands for. */
export type Meaning = Value | Producer | Member;

/** A dictionary, or something inside it. */
export interface Value {
  readonly of: "value";
  readonly dictionary: Dictionary;
  readonly kind:
    | "dictionary"
    /** what it holds for one id: a record, an object, or the list of messages itself */
    | "session"
    | "messages"
    | "message"
    | "context"
    /** something of the session beside messages and context */
    | "field"
    /** under a second key */
    | "nested"
    | "pairs"
    | "values"
    | "keys";
  /** the source of the session's id, when it is known here */
  readonly key: string | null;
  /** where the expression begins */
  readonly start: Node;
  /** Reached through a variable: it was read where that was set. */
  readonly isAlias: boolean;
  /** how far it went from the variable */
  readonly steps: number;
  readonly hasDefault: boolean;
  /** makes the session when there is none: `setdefault` */
  readonly creates: boolean;
  readonly field: string | null;
}

/** A function that returns something of the dictionary. */
interface Producer {
  readonly of: "producer";
  readonly result: Value;
  /** which parameter is the session's id */
  readonly keyParameter: number | null;
}

/** Something whose members may be of interest: a module, a class, an object of the class. */
interface Member {
  readonly of: "holder";
  readonly holder: Holder;
  readonly as: "module" | "class" | "instance";
}

export interface Holder {
  readonly id: number;
  /** the module's file, or the class */
  readonly of: string | Node;
  readonly members: Map<string, Meaning[]>;
  /** who waits to hear of a member; `**` of all of them */
  readonly sites: Map<string, ((name: string, meaning: Meaning) => void)[]>;
}

export function keyOfMeaning(meaning: Meaning): string {
  if (meaning.of === "holder") return `${meaning.as} ${meaning.holder.id}`;
  if (meaning.of === "producer") return `producer ${keyOfMeaning(meaning.result)}`;
  // The same variable may stand for the sessions of several ids; once is enough.
  const { name, file, node } = meaning.dictionary;
  return `${meaning.kind} ${meaning.field ?? ""} ${file.path} ${node.start} ${name}`;
}

export function newHolder(id: number, of: Holder["of"]): Holder {
  return { id, of, members: new Map(), sites: new Map() };
}

/** Tells everybody who waits; the same meaning only once. */
export function addMember(holder: Holder, name: string, meaning: Meaning): boolean {
  const known = holder.members.get(name) ?? [];
  if (known.some((other) => keyOfMeaning(other) === keyOfMeaning(meaning))) return false;
  holder.members.set(name, [...known, meaning]);
  for (const site of [...(holder.sites.get(name) ?? []), ...(holder.sites.get("**") ?? [])]) site(name, meaning);
  return true;
}

export function addSite(holder: Holder, name: string, site: (name: string, meaning: Meaning) => void): void {
  holder.sites.set(name, [...(holder.sites.get(name) ?? []), site]);
  for (const [member, meanings] of holder.members) {
    if (name === "**" || name === member) for (const meaning of meanings) site(member, meaning);
  }
}
