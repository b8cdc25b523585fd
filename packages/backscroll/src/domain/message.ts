import type { JsonObject } from "./json.ts";

export const ROLES = ["system", "user", "assistant", "tool"] as const;
export type Role = (typeof ROLES)[number];

/** `complete`: whole. The others are replies that ended early; what was written is kept. */
export const MESSAGE_STATUSES = ["complete", "stopped", "interrupted", "failed"] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/** What is not plain text (tool calls and results, files, reasoning), as its provider wrote it. */
export type Part = JsonObject & { readonly type: string };

/** A stored message. */
export interface Message {
  /** as its author wrote it, or a UUIDv7 minted here */
  readonly id: string;
  readonly conversationId: string;
  /** 1, 2, 3 … in the order stored; the only order of a conversation */
  readonly seq: number;
  readonly role: Role;
  /** the plain text, at most `MESSAGE_BYTES_MAX` bytes of UTF-8 */
  readonly content: string;
  readonly parts: readonly Part[] | null;
  readonly status: MessageStatus;
  readonly model: string | null;
  readonly tokensUsed: number | null;
  readonly latencyMs: number | null;
  readonly metadata: JsonObject | null;
  /** 1, and one more with every edit */
  readonly version: number;
  /** never runs backwards along `seq` */
  readonly createdAt: Date;
  readonly editedAt: Date | null;
}

/** A message to store. */
export interface NewMessage {
  readonly role: Role;
  readonly content: string;
  readonly parts?: readonly Part[] | null | undefined;
  /** `[A-Za-z0-9_.:-]{1,128}`; it makes the save exactly-once */
  readonly id?: string | undefined;
  readonly status?: MessageStatus | undefined;
  readonly model?: string | null | undefined;
  readonly tokensUsed?: number | null | undefined;
  readonly latencyMs?: number | null | undefined;
  readonly metadata?: JsonObject | null | undefined;
}

/**
 * A message as the API shows it: JSON text built by PostgreSQL, once. It travels from there to
 * the response (and through the cache) without being parsed.
 */
export type MessageJson = string & { readonly __messageJson: unique symbol };

/** The same text in UTF-8, as a cache keeps it. */
export type MessageBytes = Uint8Array & { readonly __messageBytes?: unique symbol };

/** The shape of `MessageJson`. */
export interface WireMessage {
  readonly id: string;
  readonly conversation_id: string;
  readonly seq: number;
  readonly role: Role;
  readonly content: string;
  readonly parts?: readonly Part[];
  readonly status: MessageStatus;
  readonly model: string | null;
  readonly tokens_used: number | null;
  readonly latency_ms: number | null;
  readonly metadata: JsonObject | null;
  readonly version: number;
  readonly created_at: string;
  readonly edited_at: string | null;
}

export const MESSAGE_FIELDS = [
  "id",
  "conversation_id",
  "seq",
  "role",
  "content",
  "parts",
  "status",
  "model",
  "tokens_used",
  "latency_ms",
  "metadata",
  "version",
  "created_at",
  "edited_at",
] as const satisfies readonly (keyof WireMessage)[];
export type MessageField = (typeof MESSAGE_FIELDS)[number];

export function parseMessageJson(message: MessageJson | MessageBytes): WireMessage {
  return JSON.parse(textOfMessage(message)) as WireMessage;
}

export function textOfMessage(message: MessageJson | MessageBytes): string {
  return typeof message === "string" ? message : bufferOf(message).toString();
}

function bufferOf(bytes: MessageBytes): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Longer than what comes before a message's seq: its id and its conversation's, of 128 characters at most. */
const HEAD_LENGTH = 400;

/** @returns the ids of a message and of its conversation, as their authors wrote them; read without the rest of it */
export function idsOfMessage(message: MessageJson): { readonly id: string; readonly conversationId: string } {
  const [, id = "", conversationId = ""] =
    /^\{"id":"([^"]*)","conversation_id":"([^"]*)"/.exec(message.slice(0, HEAD_LENGTH)) ?? [];
  return { id, conversationId };
}

/** @returns a message's seq; all of it need not be parsed for that, it may be a megabyte */
export function seqOfMessage(message: MessageJson | MessageBytes): number {
  const head =
    typeof message === "string"
      ? message.slice(0, HEAD_LENGTH)
      : bufferOf(message.subarray(0, HEAD_LENGTH)).toString("latin1");
  return Number(/"seq":(\d+)/.exec(head)?.[1]);
}

/** @returns a message's role, read without the rest of it */
export function roleOfMessage(message: MessageJson): string {
  return /"seq":\d+,"role":"(\w+)"/.exec(message.slice(0, HEAD_LENGTH))?.[1] ?? "unknown";
}

export function toMessage(message: MessageJson | MessageBytes): Message {
  const wire = parseMessageJson(message);
  return {
    id: wire.id,
    conversationId: wire.conversation_id,
    seq: wire.seq,
    role: wire.role,
    content: wire.content,
    parts: wire.parts ?? null,
    status: wire.status,
    model: wire.model,
    tokensUsed: wire.tokens_used,
    latencyMs: wire.latency_ms,
    metadata: wire.metadata,
    version: wire.version,
    createdAt: new Date(wire.created_at),
    editedAt: wire.edited_at === null ? null : new Date(wire.edited_at),
  };
}
