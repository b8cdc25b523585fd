import { isDeepStrictEqual } from "node:util";
import type { JsonValue } from "../domain/json.ts";
import { isMessageId } from "../domain/session-message.ts";

/** What a session keeps beside its messages. */
export type SessionContext = Readonly<Record<string, unknown>>;

/** A session as a dictionary has it. */
export interface LegacySession<Message> {
  /** oldest first */
  readonly messages: readonly Message[];
  readonly context: SessionContext;
  /** null when the dictionary does not say */
  readonly createdAt: Date | null;
}

export interface ContextChanges {
  readonly set: object;
  readonly remove: readonly string[];
  /** true: `set` is all of it */
  readonly replace: boolean;
}

type Awaitable<Value> = Value | Promise<Value>;

/** The old dictionary, whatever it is. For one that is no object or Map of sessions, give an object with these. */
export interface LegacySessions<Message> {
  read(sessionId: string): Awaitable<LegacySession<Message> | undefined>;
  /** A session that is not there begins. */
  append(sessionId: string, messages: readonly Message[]): Awaitable<void>;
  /** Likewise. */
  changeContext(sessionId: string, changes: ContextChanges): Awaitable<void>;
  delete(sessionId: string): Awaitable<void>;
  ids(): Iterable<string> | AsyncIterable<string>;
}

/** One session in a dictionary: an object with its messages. */
export interface DictionarySession<Message> {
  messages: Message[];
  context?: object;
  created_at?: unknown;
  createdAt?: unknown;
}

/** Or only the messages. */
export type DictionaryValue<Message> = DictionarySession<Message> | Message[];

/** `const SESSIONS = {}` or `new Map()`, by session id. */
export type SessionDictionary<Message, Value = DictionarySession<Message>> = Record<string, Value> | Map<string, Value>;

/**
 * Reads and writes a dictionary in place: whoever else uses it sees what is written.
 *
 * @param create makes the value of a new session; by default `{ messages: [], context: {}, created_at: new Date() }`
 */
export function legacyDictionary<Message extends object>(
  dictionary: SessionDictionary<Message>,
  options?: { create?: () => DictionarySession<Message> },
): LegacySessions<Message>;
/**
 * The same of one whose sessions are lists of messages, or may be: `legacyDictionary(SESSIONS, { create: () => [] })`. An
 * empty one does not tell; without types, a new session is a list where the ones before it were.
 */
export function legacyDictionary<Message extends object>(
  dictionary: SessionDictionary<Message, DictionaryValue<Message>>,
  options: { create: () => DictionaryValue<Message> },
): LegacySessions<Message>;
export function legacyDictionary<Message extends object>(
  dictionary: SessionDictionary<Message, DictionaryValue<Message>>,
  { create }: { create?: () => DictionaryValue<Message> } = {},
): LegacySessions<Message> {
  const entries = toEntries<DictionaryValue<Message>>(dictionary);
  let hasLists = false;
  const found = (sessionId: string): DictionaryValue<Message> | undefined => {
    const value = entries.get(sessionId);
    if (value) hasLists = Array.isArray(value);
    return value;
  };
  const made = (): DictionaryValue<Message> => {
    if (create) return create();
    const [first] = entries.ids();
    if (first !== undefined) found(first);
    return hasLists ? [] : { messages: [], context: {}, created_at: new Date() };
  };
  const begun = (sessionId: string): DictionaryValue<Message> => {
    const there = found(sessionId);
    if (there) return there;
    const value = made();
    entries.set(sessionId, value);
    return value;
  };
  return {
    read(sessionId) {
      const value = found(sessionId);
      if (!value) return undefined;
      if (Array.isArray(value)) return { messages: [...value], context: {}, createdAt: null };
      const context = { ...value.context };
      return { messages: [...value.messages], context, createdAt: toDate(value.created_at ?? value.createdAt) };
    },
    append(sessionId, messages) {
      const value = begun(sessionId);
      const list = Array.isArray(value) ? value : value.messages;
      for (const message of messages) if (!isThere(list, message)) list.push(message);
    },
    changeContext(sessionId, { set, remove, replace }) {
      const value = begun(sessionId);
      const isNothing = Object.keys(set).length === 0;
      if (Array.isArray(value)) {
        if (isNothing) return;
        throw new TypeError("the dictionary's sessions are lists of messages: they have no place for a context");
      }
      // In place: somebody may hold it.
      const context = (value.context ??= {});
      for (const key of replace ? Object.keys(context) : remove) Reflect.deleteProperty(context, key);
      for (const [key, of] of Object.entries(set)) {
        Object.defineProperty(context, key, { value: of, configurable: true, enumerable: true, writable: true });
      }
    },
    delete: (sessionId) => entries.delete(sessionId),
    ids: () => [...entries.ids()],
  };
}

interface Entries<Value> {
  get(id: string): Value | undefined;
  set(id: string, value: Value): void;
  delete(id: string): void;
  ids(): Iterable<string>;
}

function toEntries<Value>(dictionary: Record<string, Value> | Map<string, Value>): Entries<Value> {
  if (dictionary instanceof Map) {
    return {
      get: (id) => dictionary.get(id),
      set: (id, value) => void dictionary.set(id, value),
      delete: (id) => void dictionary.delete(id),
      ids: () => dictionary.keys(),
    };
  }
  return {
    get: (id) => (Object.hasOwn(dictionary, id) ? dictionary[id] : undefined),
    // A session may be called `__proto__`.
    set: (id, value) =>
      void Object.defineProperty(dictionary, id, { value, configurable: true, enumerable: true, writable: true }),
    delete: (id) => void Reflect.deleteProperty(dictionary, id),
    ids: () => Object.keys(dictionary),
  };
}

/** A message that is sent again under its id is there once, as in Backscroll. */
function isThere(messages: readonly object[], message: object): boolean {
  const id = idOf(message);
  return id !== undefined && messages.some((each) => idOf(each) === id && isSameJson(each, message));
}

function isSameJson(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(asJsonValue(one), asJsonValue(other));
}

function idOf(message: object): string | undefined {
  const id: unknown = Reflect.get(message, "id");
  return isMessageId(id) ? id : undefined;
}

function toDate(value: unknown): Date | null {
  const date = value instanceof Date ? value : typeof value === "string" ? new Date(value) : null;
  return date && Number.isFinite(date.getTime()) ? date : null;
}

/** @returns a value as JSON keeps it; null where it cannot */
export function asJsonValue(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value) ?? "null") as JsonValue;
}
