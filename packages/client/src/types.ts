/** The shapes of Backscroll's HTTP API. Times are RFC 3339 in UTC with milliseconds; ids are opaque strings. */

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export type Role = "system" | "user" | "assistant" | "tool";

/** `complete`: whole. The others are replies that ended early; what was written is kept. */
export type MessageStatus = "complete" | "stopped" | "interrupted" | "failed";

/** What is not plain text (tool calls and results, files, reasoning), as its provider wrote it. */
export type Part = JsonObject & { readonly type: string };

export interface Message {
  readonly id: string;
  readonly conversation_id: string;
  /** 1, 2, 3 … in the order stored */
  readonly seq: number;
  readonly role: Role;
  readonly content: string;
  readonly parts?: readonly Part[];
  readonly status: MessageStatus;
  readonly model: string | null;
  readonly tokens_used: number | null;
  readonly latency_ms: number | null;
  readonly metadata: JsonObject | null;
  /** 1, and one more with every edit */
  readonly version: number;
  readonly created_at: string;
  readonly edited_at: string | null;
}

export type MessageField = keyof Message;

export interface NewMessage {
  readonly role: Role;
  readonly content: string;
  readonly parts?: readonly Part[] | null;
  /** makes the save exactly-once; the SDK mints one when it is absent */
  readonly id?: string;
  readonly model?: string | null;
  readonly tokens_used?: number | null;
  readonly latency_ms?: number | null;
  readonly metadata?: JsonObject | null;
}

export interface MessageEdit {
  readonly content: string;
  /** edit only this version of the message */
  readonly expected_version?: number;
}

export interface ConversationCreated {
  readonly conversation_id: string;
  readonly title: string;
  readonly created_at: string;
}

export interface ConversationSummary extends ConversationCreated {
  readonly message_count: number;
  readonly last_message_preview: string | null;
  readonly pinned: boolean;
  readonly archived: boolean;
  readonly updated_at: string;
}

export interface Conversation extends ConversationSummary {
  readonly metadata: JsonObject;
}

export interface DeletedConversation extends ConversationSummary {
  readonly deleted_at: string;
}

export interface NewConversation {
  readonly title?: string;
  /** makes the creation exactly-once; the SDK mints one when it is absent */
  readonly id?: string;
  readonly metadata?: JsonObject;
}

export interface ConversationChanges {
  readonly title?: string;
  readonly pinned?: boolean;
  readonly archived?: boolean;
  readonly metadata?: JsonObject;
}

export interface Pagination {
  readonly total: number;
  readonly page: number;
  readonly page_size: number;
  readonly total_pages: number;
  readonly has_next: boolean;
  readonly has_prev: boolean;
}

/** Of a list read with `cursor` and `limit`. */
export interface CursorPagination {
  readonly limit: number;
  readonly has_next: boolean;
  readonly next_cursor: string | null;
}

export interface ConversationsPage {
  readonly conversations: readonly ConversationSummary[];
  readonly pagination: Pagination & { readonly next_cursor: string | null };
}

export interface ConversationsSlice {
  readonly conversations: readonly ConversationSummary[];
  readonly pagination: CursorPagination;
}

export interface DeletedConversationsPage {
  readonly conversations: readonly DeletedConversation[];
  readonly pagination: Pagination;
}

/** @typeParam Shown a whole message, or the fields that were asked for */
export interface MessagesSlice<Shown = Message> {
  readonly messages: readonly Shown[];
  /** whether there are more in the same direction, from `next_cursor` on */
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

/** A slice in the middle: on with `after=next_cursor`, back with `before=previous_cursor`. */
export interface MessagesAround<Shown = Message> extends MessagesSlice<Shown> {
  readonly has_previous: boolean;
  readonly previous_cursor: string | null;
}

export interface MessagesPage<Shown = Message> {
  readonly messages: readonly Shown[];
  readonly pagination: Pagination;
}

/** What the user says. */
export interface NewTurn {
  readonly message: string;
  /** absent: the session's, or a new conversation; named in the answer */
  readonly conversation_id?: string;
  /** a session of your app: its conversation, which is made when there is none. For a service with `SESSIONS=mapping` */
  readonly session_id?: string;
  /** makes the turn exactly-once; the SDK mints one when it is absent */
  readonly message_id?: string;
}

export interface Turn {
  readonly user_message: Message;
  readonly assistant_message: Message;
  readonly conversation_id: string;
}

/** A session of your app, and the conversation it is in. */
export interface Session {
  readonly session_id: string;
  readonly conversation_id: string;
  readonly context: JsonObject;
  readonly created_at: string;
  /** when its conversation or context was last set */
  readonly updated_at: string;
  /** moves on while the session is used */
  readonly expires_at: string;
}

export interface SessionsSlice {
  readonly sessions: readonly Session[];
  readonly pagination: CursorPagination;
}

export interface NewSession {
  readonly conversation_id: string;
  /** what else your app keeps of it; absent: nothing */
  readonly context?: JsonObject;
}

export interface SessionChanges {
  /** keys to set */
  readonly context?: JsonObject;
  /** keys that go, at most 1000 */
  readonly remove?: readonly string[];
}

export interface ChatReply {
  readonly response: string;
  readonly conversation_id: string;
}

export interface UsageDay {
  /** `YYYY-MM-DD` in UTC */
  readonly day: string;
  readonly role: string;
  readonly model: string | null;
  readonly messages: number;
  readonly tokens_used: number;
}

export interface Usage {
  readonly from: string;
  readonly to: string;
  readonly days: readonly UsageDay[];
}

export interface ImportResult {
  readonly conversations: { readonly created: number; readonly existing: number };
  readonly messages: { readonly saved: number; readonly skipped: number };
  /** items that could not be stored; `errors` names the first 100 */
  readonly failed: number;
  readonly errors: readonly {
    readonly conversation_id: string | null;
    readonly message_id: string | null;
    readonly code: string;
    readonly message: string;
  }[];
}

export interface Me {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | null;
  /** whoever asks sees what only admins see */
  readonly is_admin: boolean;
  /** by cookie: `logout` ends it */
  readonly logged_in: boolean;
}

/** What somebody had, the trash included. */
export interface Erased {
  readonly erased: true;
  readonly conversations: number;
  readonly messages: number;
}

export interface LoggedIn extends Me {
  readonly expires_at: string;
}

export interface Live {
  readonly status: "ok";
}

/** `degraded`: it answers, without its cache. */
export interface Ready {
  readonly status: "ok" | "degraded";
  readonly postgres: "ok";
  readonly cache: "ok" | "unavailable" | "off";
}

/** Every error's body, `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/** One thing that somebody did; nothing of what was said is in it. */
export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly action:
    | "conversation_trashed"
    | "conversation_deleted"
    | "message_deleted"
    | "conversation_exported"
    | "person_exported"
    | "everything_exported"
    | "person_erased"
    | "acted_for";
  /** null: the service, or its operator at the command line */
  readonly actor: AuditedUser | null;
  /** the API key that was used */
  readonly actor_key_id: string | null;
  /** whose history it was; null: everybody's */
  readonly subject: AuditedUser | null;
  readonly conversation_id: string | null;
}

export interface AuditQuery {
  readonly user?: string | undefined;
  readonly action?: AuditEntry["action"] | undefined;
  /** `next_cursor` of the page before */
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  readonly next_cursor: string | null;
}

/** `user` null: was erased, and nobody can tell who it was. */
export interface AuditedUser {
  readonly user: string | null;
}

/** What changed: ids and versions. A newer service may tell of more kinds. */
export type Change =
  /** the feed is open: what changes from now on is told */
  | { readonly type: "ready" }
  | {
      readonly type: "messages_saved";
      readonly conversation_id: string;
      /** the conversation's version after it, or later */
      readonly version: number;
      readonly message_ids: readonly string[];
      /** messages at the end of the conversation left for these */
      readonly replaced?: true;
    }
  | {
      readonly type: "message_edited" | "message_deleted";
      readonly conversation_id: string;
      readonly message_id: string;
      /** the conversation's version after it, or later */
      readonly version: number;
    }
  | {
      readonly type: "conversation_created" | "conversation_updated" | "conversation_deleted" | "conversation_restored";
      readonly conversation_id: string;
    }
  /** a reply is being written: `followReply` */
  | { readonly type: "reply_started" | "reply_ended"; readonly conversation_id: string; readonly message_id: string }
  /** changes were missed: read everything again */
  | { readonly type: "resync" };

export interface StoppedReply {
  /** false: none was being written */
  readonly stopped: boolean;
  /** the reply as it was stored; null when none was, or it had said nothing yet */
  readonly message: Message | null;
}
