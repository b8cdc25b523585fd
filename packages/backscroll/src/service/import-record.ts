import { createHash } from "node:crypto";
import { z } from "zod";
import type { JsonObject } from "../domain/json.ts";
import { canonicalJson } from "../domain/session-alignment.ts";
import { fingerprint } from "./fingerprints.ts";

/**
 * What imports have brought over of a session. It is in the metadata of the session's conversation, so that what was
 * edited or deleted here since is told from what a dump has more.
 */
export interface ImportRecord {
  /** so many of the dump's messages, from its first on, are here or were */
  readonly messages: number;
  /** of these, by `MessagesHash` */
  readonly hash: string;
  /** of the conversation's last message when they were: none of them comes behind it */
  readonly seq: number;
  /** hashes of the context: the dump's, and what it was here then; null: none was brought over */
  readonly context: { readonly dump: string; readonly here: string } | null;
}

/** Of a conversation's metadata. */
export const IMPORT_RECORD_KEY = "session_import";

export const NO_RECORD: ImportRecord = { messages: 0, hash: "", seq: 0, context: null };

const Stored = z.object({
  messages: z.int().min(0),
  hash: z.string(),
  seq: z.int().min(0),
  context: z.object({ dump: z.string(), here: z.string() }).nullable(),
});

/** @param stored what the metadata has; anything may have been written there */
export function parseImportRecord(stored: unknown): ImportRecord {
  return Stored.safeParse(stored).data ?? NO_RECORD;
}

/** Of the first messages of a dump's session. */
export class MessagesHash {
  /** how many */
  messages = 0;
  readonly #hash = createHash("sha256");

  /** @param key of the next message */
  add(key: bigint): void {
    this.#hash.update(key.toString(16)).update(";");
    this.messages += 1;
  }

  get value(): string {
    return this.#hash.copy().digest("hex").slice(0, HEX_DIGITS);
  }
}

const HEX_DIGITS = 32;

export function hashOfContext(context: JsonObject): string {
  return fingerprint(canonicalJson(context)).toString(16);
}

/**
 * Which keys of a dump's context are set in a session's. One that was changed here since it was imported stays as it is;
 * so does one that has never been imported, but for keys that it has not.
 *
 * @returns `kept`: keys that differ, and nothing tells which is newer
 */
export function mergeContext(
  { dump, here }: { dump: JsonObject; here: JsonObject },
  record: ImportRecord["context"],
): { readonly set: JsonObject; readonly kept: readonly string[] } {
  if (record?.dump === hashOfContext(dump)) return { set: {}, kept: [] };
  const differing = Object.entries(dump).filter(
    ([key, value]) => !Object.hasOwn(here, key) || canonicalJson(value) !== canonicalJson(here[key]),
  );
  const isSafe = record ? record.here === hashOfContext(here) : differing.every(([key]) => !Object.hasOwn(here, key));
  if (isSafe) return { set: Object.fromEntries(differing), kept: [] };
  return { set: {}, kept: differing.map(([key]) => key) };
}
