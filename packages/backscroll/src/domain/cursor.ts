import { BackscrollError } from "./errors.ts";

/** A place between two messages of a conversation. Opaque to callers. */
export function encodeMessageCursor(seq: number): string {
  return Buffer.from(`m${seq}`).toString("base64url");
}

/** @throws {BackscrollError} invalid_cursor */
export function decodeMessageCursor(cursor: string): number {
  const match = /^m(\d{1,15})$/.exec(decode(cursor));
  if (match === null || encodeMessageCursor(Number(match[1])) !== cursor) throw invalidCursor();
  return Number(match[1]);
}

/** A place in a list of conversations ordered by pinned, last activity and id. */
export interface ConversationCursor {
  readonly pinned: boolean;
  readonly updatedAt: Date;
  readonly id: string;
}

export function encodeConversationCursor({ pinned, updatedAt, id }: ConversationCursor): string {
  return Buffer.from(`c${pinned ? "p" : "u"}${updatedAt.getTime()}.${id}`).toString("base64url");
}

/** @throws {BackscrollError} invalid_cursor */
export function decodeConversationCursor(cursor: string): ConversationCursor {
  const match = /^c([pu])(\d{1,15})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(decode(cursor));
  if (match === null) throw invalidCursor();
  const found = { pinned: match[1] === "p", updatedAt: new Date(Number(match[2])), id: match[3] ?? "" };
  if (Number.isNaN(found.updatedAt.getTime()) || encodeConversationCursor(found) !== cursor) throw invalidCursor();
  return found;
}

/** A place in the audit log. */
export function encodeAuditCursor(id: string): string {
  return Buffer.from(`a${id}`).toString("base64url");
}

/** @throws {BackscrollError} invalid_cursor */
export function decodeAuditCursor(cursor: string): string {
  const match = /^a(\d{1,18})$/.exec(decode(cursor));
  if (match?.[1] === undefined || encodeAuditCursor(match[1]) !== cursor) throw invalidCursor();
  return match[1];
}

/** A place in a user's sessions, by their ids. */
export function encodeSessionCursor(sessionId: string): string {
  return Buffer.from(`s${sessionId}`).toString("base64url");
}

/** @throws {BackscrollError} invalid_cursor */
export function decodeSessionCursor(cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  const sessionId = text.slice(1);
  if (!text.startsWith("s") || encodeSessionCursor(sessionId) !== cursor) throw invalidCursor();
  return sessionId;
}

function decode(cursor: string): string {
  return Buffer.from(cursor, "base64url").toString("latin1");
}

function invalidCursor(): BackscrollError {
  return new BackscrollError("invalid_cursor", "this cursor was not made by this endpoint; start again without one");
}
