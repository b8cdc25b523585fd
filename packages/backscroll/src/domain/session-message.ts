import { invalidRequest } from "./errors.ts";
import { ID_PATTERN } from "./ids.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { type Message, type NewMessage, type Part, type Role, ROLES } from "./message.ts";

/**
 * Messages as apps keep them in a dictionary of sessions, and how they are stored so that they come back as they were:
 *
 * - `content` that is text is the text; a list of parts (in `content`, in `parts`), and `tool_calls`, are the parts, as
 *   their provider wrote them, and the text is what is text among them
 * - `id`, `model`, `tokens_used` and `latency_ms` go where a message has them
 * - every other key is metadata; with more than fits there, they are a part of their own
 *
 * What that does not tell of the message is in its metadata, under `session_message`: that key also says that a message
 * is one of these.
 */
interface Shape {
  /** as it was written, where it is another word for one of ours */
  readonly role?: string;
  /** there is a text, and the message had none */
  readonly content?: "null" | "absent";
  /** keys whose values are lists of parts, in this order, and how many each has */
  readonly lists?: Readonly<Record<string, number>>;
  /** keys that are a message's own fields */
  readonly fields?: readonly string[];
  /** the last part is of type `data-session-message` and has more keys */
  readonly more?: true;
}

const SHAPE_KEY = "session_message";
const MORE_TYPE = "data-session-message";
const LIST_KEYS = ["content", "parts", "tool_calls"];
const TEXT_TYPES: ReadonlySet<string> = new Set(["text", "input_text", "output_text"]);

/** Other words for our roles: LangChain's, Gemini's, OpenAI's. */
const OTHER_ROLES: ReadonlyMap<string, Role> = new Map([
  ["human", "user"],
  ["ai", "assistant"],
  ["bot", "assistant"],
  ["model", "assistant"],
  ["developer", "system"],
  ["function", "tool"],
]);

/**
 * @param given an object with a `role`; it is taken as `JSON.stringify` writes it
 * @throws {BackscrollError} invalid_request
 */
export function toNewMessage(given: unknown): NewMessage {
  const { role: givenRole, ...message } = asJson(given);
  const role = roleOf(givenRole);
  const lists = LIST_KEYS.filter((key) => isPartList(message[key]));
  const fields = Object.keys(FIELDS).filter((key) => FIELDS[key]?.(message[key]) === true);
  const taken = new Set(["content", ...lists, ...fields]);
  const extra = Object.fromEntries(Object.entries(message).filter(([key]) => !taken.has(key)));
  const { content } = message;
  const isOdd = content !== undefined && content !== null && typeof content !== "string" && !lists.includes("content");
  const parts = lists.flatMap((key) => message[key] as readonly Part[]);

  const shape: Shape = {
    ...(role !== givenRole && typeof givenRole === "string" && { role: givenRole }),
    ...(content === null && { content: "null" }),
    ...(content === undefined && { content: "absent" }),
    ...(lists.length > 0 && {
      lists: Object.fromEntries(lists.map((key) => [key, (message[key] as readonly Part[]).length])),
    }),
    ...(fields.length > 0 && { fields }),
  };
  const isPlain = Object.keys(shape).length === 0 && Object.keys(extra).length === 0;
  const metadata = isPlain ? {} : { ...extra, [SHAPE_KEY]: shape as JsonObject };
  const fits = Buffer.byteLength(JSON.stringify(metadata)) <= LIMITS.metadataBytesMax;
  const hasMore = isOdd || !fits || Object.hasOwn(extra, SHAPE_KEY);
  const more = { type: MORE_TYPE, data: { ...extra, ...(isOdd && { content }) } };
  const kept = hasMore ? { [SHAPE_KEY]: { ...shape, more: true } as JsonObject } : metadata;
  const all = hasMore ? [...parts, more] : parts;
  return {
    role,
    content: typeof content === "string" ? content : textOf(parts),
    ...(all.length > 0 && { parts: all }),
    ...(fields.includes("id") && { id: message["id"] as string }),
    ...(fields.includes("model") && { model: message["model"] as string }),
    ...(fields.includes("tokens_used") && { tokensUsed: message["tokens_used"] as number }),
    ...(fields.includes("latency_ms") && { latencyMs: message["latency_ms"] as number }),
    ...(Object.keys(kept).length > 0 && { metadata: kept }),
  };
}

/** @returns the message as it was given; of one that came another way, its role and content */
export function fromMessage(message: Message): Readonly<Record<string, JsonValue>> {
  const { [SHAPE_KEY]: found, ...extra } = message.metadata ?? {};
  if (!isObject(found)) return { role: message.role, content: message.content };
  const shape = found as Shape;
  const parts = message.parts ?? [];
  let from = 0;
  const lists = Object.entries(shape.lists ?? {}).map(([key, count]) => [key, parts.slice(from, (from += count))]);
  const own: Record<string, JsonValue> = {
    id: message.id,
    model: message.model,
    tokens_used: message.tokensUsed,
    latency_ms: message.latencyMs,
  };
  const more = shape.more === true ? parts.at(-1)?.["data"] : undefined;
  return {
    ...(shape.fields?.includes("id") === true && { id: message.id }),
    role: shape.role ?? message.role,
    ...(shape.content !== "absent" && { content: shape.content === "null" ? null : message.content }),
    ...Object.fromEntries((shape.fields ?? []).map((key) => [key, own[key] ?? null])),
    ...(Object.fromEntries(lists) as JsonObject),
    ...extra,
    ...(isObject(more) && more),
  };
}

/** A message's own fields, and what they take; anything else is an extra key. */
const FIELDS: Readonly<Record<string, (value: JsonValue | undefined) => boolean>> = {
  id: isMessageId,
  model: (value) => typeof value === "string" && value.length <= LIMITS.modelCharsMax,
  tokens_used: isCount,
  latency_ms: isCount,
};

/** @returns whether it is an id that makes a save exactly-once; a number is a place in a list, and begins again with it */
export function isMessageId(id: unknown): id is string {
  return typeof id === "string" && ID_PATTERN.test(id);
}

function isCount(value: JsonValue | undefined): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LIMITS.int4Max;
}

function asJson(given: unknown): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(JSON.stringify(given) ?? "null");
  } catch (error) {
    throw invalidRequest({ path: "message", message: `cannot be written as JSON: ${String(error)}` });
  }
  if (!isObject(value)) throw invalidRequest({ path: "message", message: "must be an object with a role" });
  return value;
}

/**
 * @param role one of ours, or another word for one
 * @throws {BackscrollError} invalid_request
 */
export function roleOf(role: JsonValue | undefined): Role {
  const known = knownRole(role);
  if (known === undefined) {
    const others = [...OTHER_ROLES.keys()].join(", ");
    throw invalidRequest({ path: "role", message: `must be one of ${ROLES.join(", ")}, or of ${others}` });
  }
  return known;
}

/** @returns undefined when it is another word for none of ours */
export function knownRole(role: JsonValue | undefined): Role | undefined {
  return ROLES.find((each) => each === role) ?? OTHER_ROLES.get(typeof role === "string" ? role : "");
}

function isPartList(value: JsonValue | undefined): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item["type"] === "string");
}

function textOf(parts: readonly Part[]): string {
  const texts = parts.map(({ type, text }) => (TEXT_TYPES.has(type) && typeof text === "string" ? text : ""));
  return texts.filter((text) => text !== "").join("\n");
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
