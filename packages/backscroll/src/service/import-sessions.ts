import { BackscrollError, type ErrorCode } from "../domain/errors.ts";
import type { JsonObject, JsonValue } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import { parseTime, type TimeZone } from "../domain/session-time.ts";
import { checkConversationFields, Problems } from "./check.ts";
import type { Deps } from "./deps.ts";
import { DumpedMessages, type MessageEvents } from "./dumped-messages.ts";
import { fingerprint, Fingerprints } from "./fingerprints.ts";
import { catchUpSession, type CheckedSession, type Divergence, type SessionEvents } from "./catch-up-session.ts";
import { IMPORT_RECORD_KEY } from "./import-record.ts";
import { type DumpedSession, type DumpNumbers, SessionDump } from "./session-dump.ts";
import { checkedRef } from "./sessions.ts";
import { resolveUser } from "./users.ts";

/** Something of a dump that could not be imported. */
export interface DumpError {
  /** null: it has none */
  readonly sessionId: string | null;
  /** of the session in the dump, from 0 */
  readonly session: number;
  /** of the message in the session, from 0; null: the session, or something beside its messages */
  readonly message: number | null;
  readonly code: ErrorCode | "diverged" | "duplicate_session";
  /** no content */
  readonly detail: string;
}

export interface SessionsImport {
  readonly sessionsCreated: number;
  readonly sessionsExisting: number;
  /** stored now */
  readonly messagesSaved: number;
  /** there already */
  readonly messagesSkipped: number;
  readonly failed: number;
  /** messages and sessions whose times named no zone */
  readonly naiveTimes: number;
  /** those that have something for a time that is none */
  readonly unreadableTimes: number;
  readonly numbers: DumpNumbers;
}

export interface SessionsImportOptions extends Divergence {
  /** whose they are: one person, by address, or the path to it in each session */
  readonly owner: { readonly user: string } | { readonly path: readonly string[] };
  /** of times that name none */
  readonly zone: TimeZone;
  /** what has no time, and comes after nothing that has, is from then: when the dump was written */
  readonly writtenAt: Date;
  /** sessions at the same time, 1 or more */
  readonly atOnce: number;
  readonly onError: (error: DumpError) => void;
  readonly onProgress: (soFar: SessionsImport) => void;
  /** no more is begun: what was begun is in a state from which it goes on */
  readonly signal: AbortSignal;
}

const DAY_MS = 86_400_000;

/**
 * Imports a dump of a dictionary of sessions, in memory that does not grow with it but by 16 to 48 bytes a session. Each
 * session is brought to what the dump has, so what is there already is skipped, and an import that broke off is run again.
 *
 * @throws {BackscrollError} malformed_json: what came before is stored; invalid_request, for the user
 */
export async function importSessions(
  deps: Deps,
  source: AsyncIterable<Uint8Array>,
  options: SessionsImportOptions,
): Promise<SessionsImport> {
  const failed = new AbortController();
  const dump = new SessionDump(source, AbortSignal.any([options.signal, failed.signal]));
  const importer = new SessionsImporter(deps, dump, options);
  if ("user" in options.owner) await resolveUser(deps, options.owner.user);
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  try {
    for await (const session of dump.sessions()) {
      if (failure || options.signal.aborted) {
        await session.messages.remove();
        break;
      }
      const work: Promise<void> = importer
        .import(session)
        .catch((error: unknown) => {
          failure ??= { error };
          failed.abort();
        })
        .finally(() => running.delete(work));
      running.add(work);
      if (running.size >= options.atOnce) await Promise.race(running);
    }
  } finally {
    await Promise.all(running);
    // Once, instead of thousands of changes.
    for (const userId of importer.users) deps.live.feed.tell(userId, { type: "resync" });
  }
  rethrow(failure);
  return importer.result;
}

function rethrow(failure: { readonly error: unknown } | null): void {
  if (failure) throw failure.error;
}

/** What has become of one session at a time, in counts. */
class SessionsImporter {
  /** who got anything, or had it already */
  readonly users = new Set<number>();
  readonly #deps: Deps;
  readonly #dump: SessionDump;
  readonly #options: SessionsImportOptions;
  readonly #notAfter = new Date(Date.now() + DAY_MS);
  readonly #ids = new Fingerprints();
  readonly #counts = {
    sessionsCreated: 0,
    sessionsExisting: 0,
    messagesSaved: 0,
    messagesSkipped: 0,
    failed: 0,
    naiveTimes: 0,
    unreadableTimes: 0,
  };

  constructor(deps: Deps, dump: SessionDump, options: SessionsImportOptions) {
    this.#deps = deps;
    this.#dump = dump;
    this.#options = options;
  }

  get result(): SessionsImport {
    return { ...this.#counts, numbers: this.#dump.numbers };
  }

  /** @throws what is no fault of the session's */
  async import(dumped: DumpedSession): Promise<void> {
    const events = this.#eventsOf(dumped);
    try {
      const session = await this.#check(dumped, events);
      if (!session) return;
      this.users.add(session.ref.userId);
      await catchUpSession(this.#deps, session, { ...this.#options, events });
    } catch (error) {
      if (!(error instanceof BackscrollError) || NOT_ITS_FAULT.has(error.code)) throw error;
      const { length } = dumped.messages;
      const none = length === 0 ? "" : `; none of its ${length} messages was imported`;
      events.refused(null, error.code, `${error.message}${none}`);
    } finally {
      await dumped.messages.remove();
      this.#options.onProgress(this.result);
    }
  }

  #eventsOf({ id, position }: DumpedSession): SessionEvents & MessageEvents {
    const counts = this.#counts;
    return {
      refused: (message, code, detail) => this.#fail({ sessionId: id, session: position, message, code, detail }),
      found: (isNew) => void (counts[isNew ? "sessionsCreated" : "sessionsExisting"] += 1),
      saved: (messages) => {
        counts.messagesSaved += messages;
        this.#options.onProgress(this.result);
      },
      skipped: (messages) => void (counts.messagesSkipped += messages),
      repeated: () => void (counts.messagesSkipped += 1),
      naive: () => void (counts.naiveTimes += 1),
      timeUnreadable: () => void (counts.unreadableTimes += 1),
    };
  }

  #fail(error: DumpError): void {
    this.#counts.failed += 1;
    this.#options.onError(error);
  }

  /** @returns null when it has been refused @throws {BackscrollError} when it is */
  async #check(dumped: DumpedSession, events: SessionEvents & MessageEvents): Promise<CheckedSession | null> {
    const { id, position, problem, fields, passedOver, messages } = dumped;
    if (id === null || problem !== null) throw refusal(problem ?? "it has no id");
    if (this.#ids.add(fingerprint(id)) !== undefined) {
      const detail = "the dump has this session twice, and this is the second: give it another id";
      this.#fail({ sessionId: id, session: position, message: null, code: "duplicate_session", detail });
      return null;
    }
    // First, since it may be the owner's key.
    for (const key of passedOver) events.refused(null, "invalid_request", `${key} is too large: it was left out`);
    const userId = await this.#ownerOf(fields);
    const ref = checkedRef({ userId, sessionId: id });
    const createdAt = this.#createdAt(fields, events);
    const { zone, writtenAt } = this.#options;
    const times = { zone, notAfter: this.#notAfter, otherwise: createdAt ?? writtenAt };
    return {
      ref,
      messages: new DumpedMessages(messages, { settings: this.#deps.settings, times, events }),
      context: orEmpty(events, () => contextOf(fields.get("context"))),
      metadata: orEmpty(events, () => metadataOf(fields)),
      createdAt,
      otherwise: writtenAt,
    };
  }

  /** @throws {BackscrollError} invalid_request when the session does not say */
  async #ownerOf(fields: ReadonlyMap<string, JsonValue>): Promise<number> {
    const { owner } = this.#options;
    if ("user" in owner) return resolveUser(this.#deps, owner.user);
    const [first = "", ...rest] = owner.path;
    let found: JsonValue | undefined = fields.get(first);
    for (const key of rest) found = isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
    if (typeof found !== "string" || found.trim() === "") throw refusal(`it has no text in ${owner.path.join(".")}`);
    // The dump may be from before they were erased.
    return resolveUser(this.#deps, found, { isActedFor: true });
  }

  #createdAt(fields: ReadonlyMap<string, JsonValue>, events: MessageEvents): Date | null {
    const given = CREATED_KEYS.map((key) => fields.get(key)).filter((value) => value !== undefined && value !== null);
    const times = given.map((value) => parseTime(value, this.#options.zone));
    const time = times.find((each) => each !== null && each.at <= this.#notAfter) ?? null;
    if (time?.isNaive === true) events.naive();
    if (time === null && given.length > 0) events.timeUnreadable();
    return time?.at ?? null;
  }
}

/** Everything that is tried after it would fail as well. */
const NOT_ITS_FAULT: ReadonlySet<ErrorCode> = new Set(["database_unavailable", "shutting_down", "internal"]);

const CREATED_KEYS = ["created_at", "createdAt"];
/** What has a place of its own. */
const OWN_KEYS: ReadonlySet<string> = new Set(["messages", "context", ...CREATED_KEYS]);

function refusal(message: string): BackscrollError {
  return new BackscrollError("invalid_request", message);
}

/** What is refused is left out: the messages are worth more. */
function orEmpty(events: SessionEvents, read: () => JsonObject): JsonObject {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BackscrollError)) throw error;
    events.refused(null, error.code, `${error.message}: it was left out`);
    return {};
  }
}

function contextOf(given: JsonValue | undefined): JsonObject {
  if (given === undefined || given === null) return {};
  if (!isObject(given)) throw refusal("context must be an object");
  const context = asJson(given);
  const problems = new Problems();
  problems.json("context", context, { bytesMax: LIMITS.sessionContextBytesMax });
  problems.throwIfAny();
  return context;
}

/** What else a session has is kept with its conversation. */
function metadataOf(fields: ReadonlyMap<string, JsonValue>): JsonObject {
  const metadata = asJson(Object.fromEntries([...fields].filter(([key]) => !OWN_KEYS.has(key))));
  if (Object.hasOwn(metadata, IMPORT_RECORD_KEY))
    throw refusal(`what it has beside messages and context has a key ${IMPORT_RECORD_KEY}, which is Backscroll's`);
  try {
    checkConversationFields({ metadata });
  } catch (error) {
    if (!(error instanceof BackscrollError)) throw error;
    const keys = Object.keys(metadata).slice(0, 5).join(", ");
    throw refusal(`what it has beside messages and context (${keys}), as ${error.message}`);
  }
  return metadata;
}

/** Numbers that JSON does not know are null. */
function asJson(value: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
