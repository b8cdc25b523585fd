import { BackscrollError } from "../domain/errors.ts";
import { ID_PATTERN } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Role } from "../domain/message.ts";
import { knownRole, metadataOfRole } from "../domain/session-message.ts";
import { orderTies, type TieRule } from "../domain/tie-order.ts";
import type { GuideSource } from "../postgres/guide-source.ts";
import { type GuideMessage, listGuideMessages, type MessagesWanted } from "../postgres/guide-tables.ts";
import type { ImportedMessage } from "../postgres/import.ts";

/** A message in its place among the others of its conversation. */
export interface OrderedMessage extends GuideMessage {
  /** the one of our roles that is meant; null: nobody knows */
  readonly ownRole: Role | null;
  /** what put it there among others of the same time; null: there are none */
  readonly tie: TieRule | null;
}

/** @returns the one of our roles that is meant; null: nobody knows */
export type RoleOf = (role: string | null) => Role | null;

/** @param named what somebody says that roles mean, which goes before what is known of them */
export function rolesWith(named: ReadonlyMap<string, Role>): RoleOf {
  return (role) =>
    role === null ? null : (named.get(role) ?? knownRole(role) ?? knownRole(role.trim().toLowerCase()) ?? null);
}

/** One that was checked: it can be stored here. */
export interface KeepableMessage extends OrderedMessage {
  readonly role: string;
  readonly ownRole: Role;
  readonly bytes: number;
  readonly atMs: number;
}

const MESSAGES_A_READ = 1_000;
/** With contents: the most that one read brings into memory is so many times the limit of a message. */
const CONTENTS_A_READ = 100;
/** So many of one time are put in order together; a table that was filled with one time has as many as it has. */
const TIED_TOGETHER = 10_000;

/** Reads a conversation in order, in batches; memory is bounded by a batch, and by how many have one time. */
export async function* readInOrder(
  source: GuideSource,
  wanted: Pick<MessagesWanted, "conversationId" | "with" | "bytesMax">,
  roleOf: RoleOf,
): AsyncGenerator<readonly OrderedMessage[]> {
  const limit = wanted.with === "content" ? CONTENTS_A_READ : MESSAGES_A_READ;
  let after: GuideMessage | null = null;
  let held: readonly GuideMessage[] = [];
  let before: Role | null = null;
  for (;;) {
    const page: readonly GuideMessage[] = await listGuideMessages(source, { ...wanted, after, limit });
    const isLast = page.length < limit;
    after = page.at(-1) ?? after;
    const messages = [...held, ...page];
    // What has the last one's time may go on in the next page.
    const end = isLast ? messages.length : messages.findIndex(({ at }) => at === after?.at);
    const isTooMany = messages.length - end > TIED_TOGETHER;
    const ready = isTooMany ? messages : messages.slice(0, end);
    held = isTooMany ? [] : messages.slice(end);
    const ordered: readonly OrderedMessage[] = inOrder(ready, { before, after: held[0] ?? null }, roleOf);
    if (ordered.length > 0) yield ordered;
    before = ordered.at(-1)?.ownRole ?? before;
    if (isLast) return;
  }
}

function inOrder(
  messages: readonly GuideMessage[],
  { before, after }: { before: Role | null; after: GuideMessage | null },
  roleOf: RoleOf,
): readonly OrderedMessage[] {
  const groups = [...Map.groupBy(messages, ({ at }) => at).values()];
  const ordered: OrderedMessage[] = [];
  for (const [index, group] of groups.entries()) {
    if (group.length === 1) {
      ordered.push(...group.map((message) => ({ ...message, ownRole: roleOf(message.role), tie: null })));
      continue;
    }
    const next = groups[index + 1]?.[0] ?? after;
    const tied = group.map((message) => ({ ...message, role: roleOf(message.role), word: message.role }));
    const placed = orderTies(tied, {
      before: index === 0 ? before : (ordered.at(-1)?.ownRole ?? null),
      after: next === null ? null : roleOf(next.role),
    });
    ordered.push(
      ...placed.map(({ message: { word, role, ...rest }, rule }) => ({
        ...rest,
        role: word,
        ownRole: role,
        tie: rule,
      })),
    );
  }
  return ordered;
}

const EARLIEST_MS = Date.parse("0001-01-01T00:00:00Z");

/** @throws {BackscrollError} what cannot be kept of it, whatever is done: it is left out */
export function checkGuideMessage(
  message: OrderedMessage,
  { messageBytesMax }: { messageBytesMax: number },
): KeepableMessage {
  const { id, role: word, ownRole, bytes, atMs } = message;
  if (!ID_PATTERN.test(id)) {
    throw new BackscrollError("invalid_request", "its id must be 1 to 128 of A-Z a-z 0-9 _ . : -");
  }
  if (word === null) throw new BackscrollError("invalid_request", "its role is null");
  if (ownRole === null) {
    const role = JSON.stringify(word.slice(0, 40));
    throw new BackscrollError(
      "invalid_request",
      `nobody knows the role ${role}: --role ${role}=assistant says what it means`,
    );
  }
  if (bytes === null) throw new BackscrollError("invalid_request", "its content is null");
  if (bytes > messageBytesMax) {
    throw new BackscrollError(
      "message_too_large",
      `its content is ${bytes} bytes; at most ${messageBytesMax} are stored: raise MESSAGE_BYTES_MAX`,
    );
  }
  if (!isTime(atMs)) throw new BackscrollError("invalid_request", "its created_at is no time");
  return { ...message, role: word, ownRole, bytes, atMs };
}

/** @returns whether it is a time that is kept: in the years from 1 on, as far as `Date` goes */
export function isTime(ms: number | null): ms is number {
  return ms !== null && ms >= EARLIEST_MS && Number.isFinite(new Date(ms).getTime());
}

/** @param isMoved its time will be another one */
export function toImportedMessage(message: KeepableMessage, content: string, isMoved: boolean): ImportedMessage {
  const { id, role, ownRole, tokensUsed, latencyMs, atMs } = message;
  const unkept: JsonObject = {
    ...(isMoved && { created_at_ms: atMs }),
    ...(!isCount(tokensUsed) && { tokens_used: tokensUsed }),
    ...(!isCount(latencyMs) && { latency_ms: latencyMs }),
  };
  const metadata: JsonObject = {
    ...(role !== ownRole && metadataOfRole(role)),
    ...(Object.keys(unkept).length > 0 && { guide: unkept }),
  };
  return {
    id,
    role: ownRole,
    content,
    tokensUsed: isCount(tokensUsed) ? tokensUsed : null,
    latencyMs: isCount(latencyMs) ? latencyMs : null,
    metadata: Object.keys(metadata).length > 0 ? metadata : null,
    version: 1,
    createdAt: new Date(atMs),
    editedAt: null,
  };
}

function isCount(number: number | null): boolean {
  return number === null || (number >= 0 && number <= LIMITS.int4Max);
}
