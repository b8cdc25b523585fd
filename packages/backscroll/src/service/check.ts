import { BackscrollError, type FieldError, invalidRequest } from "../domain/errors.ts";
import { ID_PATTERN } from "../domain/ids.ts";
import type { JsonObject, JsonValue } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import { type NewMessage, ROLES } from "../domain/message.ts";
import { jsonProblem, textProblem } from "../domain/text.ts";
import type { Identity } from "../domain/user.ts";

/**
 * What the database could not keep, or should not: checked once, for the library's callers and HTTP's alike.
 * Every problem of a request is named, not only the first.
 */
export class Problems {
  readonly #errors: FieldError[] = [];

  add(path: string, message: string): void {
    this.#errors.push({ path, message });
  }

  id(path: string, id: string | undefined): void {
    if (id !== undefined && !ID_PATTERN.test(id)) this.add(path, "must be 1 to 128 of A-Z a-z 0-9 _ . : -");
  }

  text(path: string, text: string | null | undefined, { charsMax }: { charsMax: number }): void {
    if (text === undefined || text === null) return;
    const problem = textProblem(text);
    if (problem !== null) this.add(path, problem);
    if (text.length > charsMax) this.add(path, `must be at most ${charsMax} characters`);
  }

  json(path: string, value: JsonValue | undefined, { bytesMax }: { bytesMax: number }): void {
    if (value === undefined || value === null) return;
    const problem = jsonProblem(value);
    if (problem !== null) this.add(path, problem);
    else if (Buffer.byteLength(JSON.stringify(value)) > bytesMax)
      this.add(path, `must be at most ${bytesMax} bytes of JSON`);
  }

  wholeNumber(path: string, value: number | undefined, { min, max }: { min: number; max: number }): void {
    if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return;
    this.add(path, `must be a whole number from ${min} to ${max}`);
  }

  /** @throws {BackscrollError} invalid_request when there is any */
  throwIfAny(): void {
    if (this.#errors.length > 0) throw invalidRequest(...this.#errors);
  }
}

/** @throws {BackscrollError} invalid_request, message_too_large */
export function checkNewMessages(
  messages: readonly NewMessage[],
  { messageBytesMax }: { messageBytesMax: number },
): void {
  const problems = new Problems();
  if (messages.length < 1 || messages.length > LIMITS.messagesPerSaveMax) {
    problems.add("messages", `must hold 1 to ${LIMITS.messagesPerSaveMax} messages`);
  }
  const ids = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const path = messages.length === 1 ? "" : `messages.${index}.`;
    problems.id(`${path}id`, message.id);
    if (message.id !== undefined && ids.has(message.id)) problems.add(`${path}id`, "is used twice in this request");
    if (message.id !== undefined) ids.add(message.id);
    if (!ROLES.includes(message.role)) problems.add(`${path}role`, `must be one of ${ROLES.join(", ")}`);
    problems.text(`${path}content`, message.content, { charsMax: Number.POSITIVE_INFINITY });
    problems.text(`${path}model`, message.model, { charsMax: LIMITS.modelCharsMax });
    problems.wholeNumber(`${path}tokens_used`, message.tokensUsed ?? undefined, { min: 0, max: LIMITS.int4Max });
    problems.wholeNumber(`${path}latency_ms`, message.latencyMs ?? undefined, { min: 0, max: LIMITS.int4Max });
    problems.json(`${path}metadata`, message.metadata, { bytesMax: LIMITS.metadataBytesMax });
    problems.json(`${path}parts`, message.parts, { bytesMax: LIMITS.partsBytesMax });
  }
  problems.throwIfAny();
  for (const { content } of messages) checkContentBytes(content, messageBytesMax);
}

/** @throws {BackscrollError} message_too_large */
export function checkContentBytes(content: string, messageBytesMax: number): void {
  const bytes = Buffer.byteLength(content);
  if (bytes <= messageBytesMax) return;
  throw new BackscrollError(
    "message_too_large",
    `a message's content is ${bytes} bytes; at most ${messageBytesMax} are stored. Split it, or raise MESSAGE_BYTES_MAX`,
  );
}

/** @throws {BackscrollError} invalid_request */
export function checkIdentity({ issuer, subject, email }: Identity): void {
  const problems = new Problems();
  for (const [path, text] of Object.entries({ issuer, subject, email })) {
    problems.text(path, text, { charsMax: LIMITS.subjectCharsMax });
    if (text === "") problems.add(path, "must not be empty");
  }
  problems.throwIfAny();
}

/** @throws {BackscrollError} invalid_request */
export function checkConversationFields({
  id,
  title,
  metadata,
}: {
  id?: string | undefined;
  title?: string | undefined;
  metadata?: JsonObject | undefined;
}): void {
  const problems = new Problems();
  problems.id("id", id);
  problems.text("title", title, { charsMax: LIMITS.titleCharsMax });
  if (title?.trim() === "") problems.add("title", "must not be empty");
  problems.json("metadata", metadata, { bytesMax: LIMITS.metadataBytesMax });
  problems.throwIfAny();
}

/** @throws {BackscrollError} invalid_request */
export function checkSlice({ limit, page, pageSize }: { limit?: number; page?: number; pageSize?: number }): void {
  const problems = new Problems();
  problems.wholeNumber("limit", limit, { min: 1, max: LIMITS.windowMax });
  problems.wholeNumber("page", page, { min: 1, max: LIMITS.pageMax });
  problems.wholeNumber("page_size", pageSize, { min: 1, max: LIMITS.windowMax });
  problems.throwIfAny();
}
