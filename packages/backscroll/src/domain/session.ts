import type { ConversationRef } from "./conversation.ts";
import type { JsonObject } from "./json.ts";
import { textOfMessage, type MessageBytes, type MessageJson } from "./message.ts";

/** An app's session, and the conversation it is in. */
export interface Session {
  /** as its app calls it */
  readonly id: string;
  readonly conversationId: string;
  /** what else its app keeps of it */
  readonly context: JsonObject;
  readonly createdAt: Date;
  /** when its conversation or context was last set */
  readonly updatedAt: Date;
  /** moves on while the session is used; from then on it is not there */
  readonly expiresAt: Date;
}

export interface NewSession {
  readonly conversationId: string;
  /** default: empty */
  readonly context?: JsonObject | undefined;
}

/** Names one session of one user, for the cache. */
export interface SessionKey {
  readonly userId: number;
  /** UUIDv5 of the user and the session's id: an app may take that for a secret, so neither Redis nor a log has it */
  readonly id: string;
}

export interface SessionRef extends SessionKey {
  /** as its app calls it */
  readonly sessionId: string;
}

/** A session as the cache keeps it, without its id: JSON text built by PostgreSQL, in the place of a message. */
export interface SessionJson {
  readonly conversation_id: string;
  readonly context: JsonObject;
  /** another one after every change */
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
  readonly expires_at: string;
}

export function parseSessionJson(json: MessageJson | MessageBytes): SessionJson {
  return JSON.parse(textOfMessage(json)) as SessionJson;
}

/** @param id as its app calls it */
export function toSession(id: string, json: SessionJson): Session {
  return {
    id,
    conversationId: json.conversation_id,
    context: json.context,
    createdAt: new Date(json.created_at),
    updatedAt: new Date(json.updated_at),
    expiresAt: new Date(json.expires_at),
  };
}

const CACHED_PREFIX = "session:";

/** @returns what the cache takes for a conversation, with the session as its only message */
export function cachedAs({ userId, id }: SessionKey): ConversationRef {
  return { userId, id: `${CACHED_PREFIX}${id}` };
}

/** @returns the session that the cache calls so; null: it is a conversation */
export function sessionCachedAs({ userId, id }: ConversationRef): SessionKey | null {
  return id.startsWith(CACHED_PREFIX) ? { userId, id: id.slice(CACHED_PREFIX.length) } : null;
}
