import { type ConversationRef, DEFAULT_TITLE } from "../domain/conversation.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { deriveId, toStoredId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import { toMessage } from "../domain/message.ts";
import { cachedAs, parseSessionJson } from "../domain/session.ts";
import { fromMessage } from "../domain/session-message.ts";
import { updateDefaultTitle } from "../postgres/conversations.ts";
import { type ImportedMessage, insertIntoLocked, isDuplicateId } from "../postgres/import.ts";
import {
  type ImportPlace,
  type ImportTarget,
  insertSessionConversation,
  lockImportPlace,
  lockSession,
  mergeMetadata,
  putImportedSession,
} from "../postgres/import-sessions.ts";
import { findMessages } from "../postgres/messages.ts";
import type { Queryable } from "../postgres/pool.ts";
import { updateSessionContext } from "../postgres/sessions.ts";
import type { Alignment } from "./align-session.ts";
import { changeConversation } from "./changes.ts";
import type { Deps } from "./deps.ts";
import { type DumpedMessage, messageKey } from "./dumped-messages.ts";
import type { CheckedSession, SessionEvents } from "./catch-up-session.ts";
import { hashOfContext, IMPORT_RECORD_KEY, type ImportRecord, mergeContext, MessagesHash } from "./import-record.ts";
import { whenNobodyIsInTheWay } from "./in-the-way.ts";
import { titleOfFirst } from "./session-appends.ts";

interface Parts {
  readonly session: CheckedSession;
  readonly events: SessionEvents;
  /** what has become of its messages, in all tries; null: of its context */
  readonly done: { saved: number; readonly refused: Set<number | null> };
  readonly at: ConversationRef;
  readonly target: ImportTarget;
  /** of the conversation, as it was found */
  readonly record: ImportRecord;
  /** the dump's context, where both were changed */
  readonly replace: boolean;
}

const MESSAGES_A_STATEMENT = 500;
const BYTES_A_STATEMENT = 1_048_576;

interface Written {
  readonly place: ImportPlace;
  readonly record: ImportRecord;
  readonly isContextRefused: boolean;
}

/** The dump's messages up to some point. */
type Brought = Pick<ImportRecord, "messages" | "hash">;

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
  #record: ImportRecord;
  /** a message was refused that has to be told the next time too: it is not recorded, nor what comes after it */
  #isRecorded = true;

  constructor(deps: Deps, parts: Parts) {
    const { session, conversation } = parts.target;
    this.#deps = deps;
    this.#parts = parts;
    this.#place = conversation;
    this.#isBegun = session !== null && !session.hasExpired && session.conversationId === parts.at.id;
    this.#record = parts.record;
    this.#context = this.#isBegun ? this.#contextToSet(session?.context ?? {}) : {};
  }

  #contextToSet(here: JsonObject): JsonObject {
    const { session, record, replace } = this.#parts;
    const { set, kept } = mergeContext({ dump: session.context, here }, record.context);
    if (kept.length === 0) return set;
    if (replace) return onlyKeys(session.context, kept);
    this.#refuse(null, "diverged", `${CONTEXT_KEPT} (${kept.slice(0, KEYS_NAMED).join(", ")})`);
    return {};
  }

  /** Once, however often it is tried. */
  #refuse(position: number | null, code: ErrorCode | "diverged", message: string): void {
    const { events, done } = this.#parts;
    if (done.refused.has(position)) return;
    done.refused.add(position);
    events.refused(position, code, message);
  }

  /** @returns how many messages the dump's session has; "changed": somebody else changed it here */
  async append({ from, isAll }: Alignment, signal: AbortSignal): Promise<number | "changed" | "broken off"> {
    if (isAll) return (await this.#write([])) ? from : "changed";
    const hash = new MessagesHash();
    let batch: DumpedMessage[] = [];
    let bytes = 0;
    for await (const messages of this.#parts.session.messages.pieces()) {
      for (const message of messages) {
        if (hash.messages >= from) {
          const more = Buffer.byteLength(JSON.stringify(message.message));
          const isFull = batch.length === MESSAGES_A_STATEMENT || bytes + more > BYTES_A_STATEMENT;
          if (isFull && batch.length > 0) {
            if (!(await this.#write(batch, { messages: hash.messages, hash: hash.value }))) return "changed";
            if (signal.aborted) return "broken off";
            batch = [];
            bytes = 0;
          }
          batch.push(message);
          bytes += more;
        }
        hash.add(messageKey(message.given));
      }
    }
    const all = { messages: hash.messages, hash: hash.value };
    return (await this.#write(batch, all)) ? hash.messages : "changed";
  }

  /** @returns false: nothing was written, since somebody else changed it */
  async #write(batch: readonly DumpedMessage[], brought: Brought | null = null): Promise<boolean> {
    const { events, done } = this.#parts;
    for (let messages = batch; ;) {
      const isOfSession = !this.#isBegun || Object.keys(this.#context).length > 0;
      if (messages.length === 0 && !isOfSession) return true;
      const attempt = whenNobodyIsInTheWay(this.#deps, () => this.#attempt(messages, brought));
      const written = await this.#tell(attempt, isOfSession);
      if (written === "changed") return false;
      if (written === "duplicate_id") {
        messages = await this.#withoutStored(messages);
        continue;
      }
      if (written.isContextRefused) this.#refuse(null, "invalid_request", CONTEXT_TOO_LARGE);
      this.#place = written.place;
      this.#record = written.record;
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

  async #attempt(
    messages: readonly DumpedMessage[],
    brought: Brought | null,
  ): Promise<Written | "changed" | "duplicate_id"> {
    try {
      return await this.#deps.db.transaction((db) => this.#writeIn(db, messages, brought));
    } catch (error) {
      if (error instanceof ChangedError) return "changed";
      if (isDuplicateId(error)) return "duplicate_id";
      throw error;
    }
  }

  async #writeIn(db: Queryable, batch: readonly DumpedMessage[], brought: Brought | null): Promise<Written> {
    const { at } = this.#parts;
    const title = titleOfFirst(
      batch.map(({ message }) => message),
      this.#place?.lastSeq ?? 0,
    );
    const seq = (this.#place?.lastSeq ?? 0) + batch.length;
    const begun: ImportRecord = {
      ...this.#record,
      ...(brought && this.#isRecorded && { ...brought, seq }),
      ...(!this.#isBegun && { context: this.#contextAsGiven() }),
    };
    const place = this.#place
      ? await this.#lock(db, this.#place)
      : unchanged(await insertSessionConversation(db, at, this.#conversation(title, batch, begun)));
    const context = await this.#writeSession(db, batch);
    const record = context === "too large" || context === null ? begun : { ...begun, context };
    if (this.#place) await mergeMetadata(db, at, { [IMPORT_RECORD_KEY]: { ...record } });
    const isContextRefused = context === "too large";
    if (batch.length === 0) return { place, record, isContextRefused };
    await insertIntoLocked(
      db,
      at,
      batch.map((message, index) => toImported(message, at, place.lastSeq + index + 1)),
    );
    if (this.#place && title !== "") await updateDefaultTitle(db, at, title);
    return { place: { version: place.version + 1, lastSeq: seq }, record, isContextRefused };
  }

  #contextAsGiven(): ImportRecord["context"] {
    const hash = hashOfContext(this.#parts.session.context);
    return { dump: hash, here: hash };
  }

  async #lock(db: Queryable, seen: ImportPlace): Promise<ImportPlace> {
    const { at, session } = this.#parts;
    const place = unchanged(await lockImportPlace(db, at, this.#isBegun ? session.ref.sessionId : null));
    if (place.version !== seen.version) throw new ChangedError();
    return place;
  }

  /** @returns what is recorded of the context; null: as before */
  async #writeSession(db: Queryable, batch: readonly DumpedMessage[]): Promise<ImportRecord["context"] | "too large"> {
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
      return this.#contextAsGiven();
    } else if (Object.keys(this.#context).length > 0) {
      if (!(await lockSession(db, session.ref, target.session?.version ?? 0))) throw new ChangedError();
      const change = { set: this.#context, remove: [], replace: false, bytesMax: LIMITS.sessionContextBytesMax, days };
      const updated = unchanged(await updateSessionContext(db, session.ref, change));
      if (updated === "too large") return updated;
      return { dump: hashOfContext(session.context), here: hashOfContext(parseSessionJson(updated.json).context) };
    }
    return null;
  }

  #conversation(
    title: string,
    batch: readonly DumpedMessage[],
    record: ImportRecord,
  ): Parameters<typeof insertSessionConversation>[2] {
    return {
      title: title || DEFAULT_TITLE,
      titleSource: title === "" ? "default" : "generated",
      metadata: { ...this.#parts.session.metadata, [IMPORT_RECORD_KEY]: { ...record } },
      createdAt: this.#createdAt(batch),
    };
  }

  #createdAt(batch: readonly DumpedMessage[]): Date {
    const { createdAt, otherwise } = this.#parts.session;
    return createdAt ?? batch[0]?.createdAt ?? otherwise;
  }

  /** Some ids are there, from before or from another order: those with another body are refused. */
  async #withoutStored(messages: readonly DumpedMessage[]): Promise<readonly DumpedMessage[]> {
    const { at } = this.#parts;
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
        this.#isRecorded = false;
        this.#refuse(position, "message_id_conflict", "the conversation has this id with another body");
      }
      return false;
    });
    // Otherwise it would be tried for ever.
    if (missing.length === messages.length && found) throw new Error("an id was there, and was not found");
    return missing;
  }
}

/** Of keys that differ the first are told. */
const KEYS_NAMED = 5;
const CONTEXT_KEPT =
  "the context is another here and in the dump, and nothing tells which is newer: it was kept; --replace takes the dump's";
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

function onlyKeys(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
}
