import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { type MessageJson, parseMessageJson } from "../domain/message.ts";
import type { ReplyLog } from "../live/reply-log.ts";
import type { Generation } from "../postgres/generations.ts";

/** A reply that this process writes. */
export interface RunningReply {
  readonly generation: Generation;
  /** what it answers */
  readonly question: MessageJson;
  /** there is a good reply already, which stays when this one comes to nothing */
  readonly replaces: boolean;
  readonly log: ReplyLog;
  /** aborted when nobody wants it any more, with the reason */
  readonly abandon: AbortController;
  /** resolves once it is stored, or cannot be */
  readonly done: Promise<void>;
}

/** Replies that this process writes, by their conversation; there is one at a time. */
export type RunningReplies = Map<string, RunningReply>;

export function keyOf({ userId, id }: ConversationRef): string {
  return `${userId}:${id}`;
}

/** @returns the key of one attempt: fences of two conversations may be alike */
export function keyOfAttempt({ at, fence }: Pick<Generation, "at" | "fence">): string {
  return `${keyOf(at)}:${fence}`;
}

/** Why a reply is given up before its end. */
export type Abandonment =
  /** its user wants it so */
  | "stopped"
  /** another server took this one for dead, and closed it */
  | "lost"
  /** this server stops */
  | "shutting_down";

/** @returns why a signal that was aborted means to give up; null when it only ran out of time */
export function abandonment(signal: AbortSignal): Abandonment | null {
  const reason: unknown = signal.reason;
  return reason === "stopped" || reason === "lost" || reason === "shutting_down" ? reason : null;
}

/** A turn whose reply may still be written. */
export interface Turn {
  readonly conversationId: string;
  /** of the user's message, as its author wrote it */
  readonly questionId: string;
  readonly userMessage: MessageJson;
  readonly reply: ReplyLog;
  /** the reply is one that an earlier try began */
  readonly replayed: boolean;
}

export function turnOf(userMessage: MessageJson, reply: ReplyLog, replayed: boolean): Turn {
  const { id: questionId, conversation_id: conversationId } = parseMessageJson(userMessage);
  return { conversationId, questionId, userMessage, reply, replayed };
}

export function shuttingDown(): BackscrollError {
  return new BackscrollError("shutting_down", "the service is stopping; retry with the same message_id", {
    retryAfterSeconds: 1,
  });
}
