import "./node-check.ts";
export { ConfigError } from "./config.ts";
export { type Backscroll, type BackscrollOptions, createBackscroll } from "./create.ts";
export type { Conversation, ConversationChanges, NewConversation, UsageDay } from "./domain/conversation.ts";
export { BackscrollError, type ErrorCode, type ErrorDetails, type FieldError } from "./domain/errors.ts";
export type { JsonObject, JsonValue } from "./domain/json.ts";
export type { Message, MessageStatus, NewMessage, Part, Role } from "./domain/message.ts";
export type { ReplyChunk } from "./domain/reply.ts";
export type { NewSession, Session } from "./domain/session.ts";
export type { Identity, UserName } from "./domain/user.ts";
export type { Authenticate } from "./http/auth.ts";
export {
  type ContextMessage,
  type RespondRequest,
  type Responder,
  type ResponderDelta,
  ResponderError,
  type ResponderFailure,
} from "./responder/responder.ts";
export type { ConversationService, MessagesSlice, SessionTurnRequest } from "./service/conversation-service.ts";
export type { Erasure } from "./service/erase-user.ts";
export type { TurnRequest } from "./service/turn.ts";
export type { SessionChanges } from "./service/sessions.ts";
export type { TurnStream } from "./service/turn-stream.ts";
export type { Backfilled } from "./session-store/backfill.ts";
export type { ReadSession } from "./session-store/backscroll-sessions.ts";
export type { SessionStoreCounts, SessionStoreFailure, SessionStoreMode } from "./session-store/dual-write.ts";
export {
  type ContextChanges,
  type DictionarySession,
  type DictionaryValue,
  legacyDictionary,
  type LegacySession,
  type LegacySessions,
  type SessionContext,
  type SessionDictionary,
} from "./session-store/legacy-sessions.ts";
export { type ParityDifference, type ParityReport, parityText, type SessionParity } from "./session-store/parity.ts";
export type { SessionStore } from "./session-store/session-store.ts";
export type { SessionMessage, SessionStoreOptions } from "./session-store/session-store-options.ts";
