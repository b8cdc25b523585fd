import { type ConversationRef, DEFAULT_TITLE } from "../domain/conversation.ts";
import { deriveId, toStoredId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import { toMessage } from "../domain/message.ts";
import { cachedAs } from "../domain/session.ts";
import { canonicalJson } from "../domain/session-alignment.ts";
import { fromMessage } from "../domain/session-message.ts";
import { updateDefaultTitle } from "../postgres/conversations.ts";
import { type ImportedMessage, insertIntoLocked, isDuplicateId } from "../postgres/import.ts";
import {
  type ImportPlace,
  type ImportTarget,
  insertSessionConversation,
  lockImportPlace,
  putImportedSession,
} from "../postgres/import-sessions.ts";
import { findMessages } from "../postgres/messages.ts";
import type { Queryable } from "../postgres/pool.ts";
import { updateSessionContext } from "../postgres/sessions.ts";
import type { Alignment } from "./align-session.ts";
import { changeConversation } from "./changes.ts";
import type { Deps } from "./deps.ts";
import { type DumpedMessage, messageKey } from "./dumped-messages.ts";
import type { SessionEvents, SessionToImport } from "./import-session.ts";
import { whenNobodyIsInTheWay } from "./in-the-way.ts";
import { titleOfFirst } from "./session-appends.ts";

interface Parts {
  readonly session: SessionToImport;
  readonly events: SessionEvents;
  /** what has become of its messages, in all tries */
  readonly done: { saved: number; refused: number };
  readonly at: ConversationRef;
  readonly target: ImportTarget;
}

const MESSAGES_A_STATEMENT = 500;
const CHARS_A_STATEMENT = 1_048_576;

interface Written {
  readonly place: ImportPlace;
  readonly isContextRefused: boolean;
}

/** Appends a session's messages to one conversation, for as long as nobody else changes it. */
export class SessionAppend {
  readonly #deps: Deps;
  readonly #parts: Parts;
  /** null: it has to be made */
  #place: ImportPlace | null;
  /** the conversation is the session's */
  #isBegun: boolean;
  /** keys to be set in the context of a session that is there */
  #context: JsonObject;

  constructor(deps: Deps, parts: Parts) {
    const { session, conversation } = parts.target;
    this.#deps = deps;
    this.#parts = parts;
    this.#place = conversation;
    this.#isBegun = session !== null && !session.hasExpired && session.conversationId === parts.at.id;
    this.#context = this.#isBegun ? differing(parts.session.context, session?.context ?? {}) : {};
  }

  /** @returns how many messages the dump's session has; "changed": somebody else changed it here */
  async append({ from, isAll }: Alignment, signal: AbortSignal): Promise<number | "changed" | "broken off"> {
    if (isAll) return (await this.#write([])) ? from : "changed";
    let total = 0;
    let batch: DumpedMessage[] = [];
    let chars = 0;
    for await (const messages of this.#parts.session.messages.pieces()) {
      for (const message of messages) {
        total += 1;
        if (total <= from) continue;
        batch.push(message);
        chars += message.message.content.length;
        if (batch.length < MESSAGES_A_STATEMENT && chars < CHARS_A_STATEMENT) continue;
        if (!(await this.#write(batch))) return "changed";
        if (signal.aborted) return "broken off";
        batch = [];
        chars = 0;
      }
    }
    return (await this.#write(batch)) ? total : "changed";
  }

  /** @returns false: nothing was written, since somebody else changed it */
  async #write(batch: readonly DumpedMessage[]): Promise<boolean> {
    const { events, done } = this.#parts;
    for (let messages = batch; ;) {
      const isOfSession = !this.#isBegun || Object.keys(this.#context).length > 0;
      if (messages.length === 0 && !isOfSession) return true;
      const attempt = whenNobodyIsInTheWay(this.#deps, () => this.#attempt(messages));
      const written = await this.#tell(attempt, isOfSession);
      if (written === "changed") return false;
      if (written === "duplicate_id") {
        messages = await this.#withoutStored(messages);
        continue;
      }
      if (written.isContextRefused) events.refused(null, "invalid_request", CONTEXT_TOO_LARGE);
      this.#place = written.place;
      this.#isBegun = true;
      this.#context = {};
      done.saved += messages.length;
      events.saved(messages.length);
      for (const { message } of messages) this.#deps.metrics.savedAs(message.role);
      return true;
    }
  }

  /** The cache is told before anybody else is. */
  #tell<Result>(change: Promise<Result>, isOfSession: boolean): Promise<Result> {
    const { at, session } = this.#parts;
    const told = changeConversation(this.#deps, at, change);
    return isOfSession ? changeConversation(this.#deps, cachedAs(session.ref), told) : told;
  }

  async #attempt(messages: readonly DumpedMessage[]): Promise<Written | "changed" | "duplicate_id"> {
    try {
      return await this.#deps.db.transaction((db) => this.#writeIn(db, messages));
    } catch (error) {
      if (error instanceof ChangedError) return "changed";
      if (isDuplicateId(error)) return "duplicate_id";
      throw error;
    }
  }

  async #writeIn(db: Queryable, batch: readonly DumpedMessage[]): Promise<Written> {
    const { at } = this.#parts;
    const title = titleOfFirst(
      batch.map(({ message }) => message),
      this.#place?.lastSeq ?? 0,
    );
    const place = this.#place
      ? await this.#lock(db, this.#place)
      : unchanged(await insertSessionConversation(db, at, this.#conversation(title, batch)));
    const isContextRefused = (await this.#writeSession(db, batch)) === "too large";
    if (batch.length === 0) return { place, isContextRefused };
    await insertIntoLocked(
      db,
      at,
      batch.map((message, index) => toImported(message, at, place.lastSeq + index + 1)),
    );
    if (this.#place && title !== "") await updateDefaultTitle(db, at, title);
    return { place: { version: place.version + 1, lastSeq: place.lastSeq + batch.length }, isContextRefused };
  }

  async #lock(db: Queryable, seen: ImportPlace): Promise<ImportPlace> {
    const { at, session } = this.#parts;
    const place = unchanged(await lockImportPlace(db, at, this.#isBegun ? session.ref.sessionId : null));
    if (place.version !== seen.version) throw new ChangedError();
    return place;
  }

  async #writeSession(db: Queryable, batch: readonly DumpedMessage[]): Promise<"too large" | "written"> {
    const { at, session, target } = this.#parts;
    const { sessionDays: days } = this.#deps.settings;
    if (!this.#isBegun) {
      const isPut = await putImportedSession(db, session.ref, {
        conversationId: at.id,
        context: session.context,
        createdAt: this.#createdAt(batch),
        seenVersion: target.session?.version ?? null,
        days,
      });
      if (!isPut) throw new ChangedError();
    } else if (Object.keys(this.#context).length > 0) {
      const change = { set: this.#context, remove: [], replace: false, bytesMax: LIMITS.sessionContextBytesMax, days };
      if (unchanged(await updateSessionContext(db, session.ref, change)) === "too large") return "too large";
    }
    return "written";
  }

  #conversation(title: string, batch: readonly DumpedMessage[]): Parameters<typeof insertSessionConversation>[2] {
    return {
      title: title || DEFAULT_TITLE,
      titleSource: title === "" ? "default" : "generated",
      metadata: this.#parts.session.metadata,
      createdAt: this.#createdAt(batch),
    };
  }

  #createdAt(batch: readonly DumpedMessage[]): Date {
    const { createdAt, otherwise } = this.#parts.session;
    return createdAt ?? batch[0]?.createdAt ?? otherwise;
  }

  /** Some ids are there, from before or from another order: those with another body are refused. */
  async #withoutStored(messages: readonly DumpedMessage[]): Promise<readonly DumpedMessage[]> {
    const { at, events, done } = this.#parts;
    const ids = messages.map(({ message }) => (message.id === undefined ? "" : toStoredId(at.userId, message.id).id));
    const found = await findMessages(
      this.#deps.db,
      at,
      ids.filter((id) => id !== ""),
    );
    const there = new Map(found?.messages.map(({ id, json }) => [id, messageKey(fromMessage(toMessage(json)))]));
    const missing = messages.filter(({ position, given }, index) => {
      const key = there.get(ids[index] ?? "");
      if (key === undefined) return true;
      if (key !== messageKey(given)) {
        done.refused += 1;
        events.refused(position, "message_id_conflict", "the conversation has this id with another body");
      }
      return false;
    });
    // Otherwise it would be tried for ever.
    if (missing.length === messages.length && found) throw new Error("an id was there, and was not found");
    return missing;
  }
}

const CONTEXT_TOO_LARGE = `context must be at most ${LIMITS.sessionContextBytesMax} bytes of JSON with what is there already`;

/** It is not as it was compared: nothing was written. */
class ChangedError extends Error {}

function unchanged<Found>(found: Found | null): Found {
  if (found === null) throw new ChangedError();
  return found;
}

/** A message without an id of its own has one by its place, so that it is the same however often it is imported. */
function toImported({ message, createdAt }: DumpedMessage, at: ConversationRef, seq: number): ImportedMessage {
  const id = message.id ?? deriveId(`${at.userId}:${at.id}:${seq}`, "message of an imported session");
  return { ...message, id, version: 1, createdAt, editedAt: null };
}

function differing(wanted: JsonObject, there: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(wanted).filter(
      ([key, value]) => !Object.hasOwn(there, key) || canonicalJson(value) !== canonicalJson(there[key]),
    ),
  );
}
