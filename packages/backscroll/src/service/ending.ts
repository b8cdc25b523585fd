import { BackscrollError, ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import type { SpanOptions } from "../tracing/tracer.ts";
import type { Responder } from "../responder/responder.ts";
import { type MessageJson, parseMessageJson } from "../domain/message.ts";
import { chunksSince } from "../domain/reply.ts";
import { type ReplyEnding, ReplyLog } from "../live/reply-log.ts";
import { ResponderError } from "../responder/responder.ts";
import { conversationNotFound } from "./messages.ts";
import { saidIn } from "./reply-message.ts";

/** For people, too: a chat shows it. */
const KEPT = "your message is kept, and sending it again asks again";

/** @returns what a log line says of a responder's failure: what a host's own throws may quote anybody */
export function responderFailureText(failure: unknown): string {
  if (failure instanceof ResponderError || failure instanceof BackscrollError) return failure.message;
  return failure instanceof Error ? failure.name : `a thrown ${typeof failure}`;
}

/** Says what happened in our words: a provider's own may hold what is not the caller's business. */
export function responderFailure(error: unknown, signal: AbortSignal): BackscrollError {
  const options = { cause: error };
  if (error instanceof BackscrollError) return error;
  const failure = error instanceof ResponderError ? error.failure : signal.aborted ? "timeout" : "failed";
  switch (failure) {
    case "rate_limited": {
      const retryAfterSeconds = (error instanceof ResponderError ? error.retryAfterSeconds : undefined) ?? 10;
      const message = `the responder is rate limited; ${KEPT}`;
      return new BackscrollError("responder_rate_limited", message, { retryAfterSeconds }, options);
    }
    case "timeout":
      return new BackscrollError("responder_timeout", `the responder took too long; ${KEPT}`, {}, options);
    case "refused":
      return new BackscrollError(
        "responder_refused",
        "the responder refused to answer; your message is kept",
        {},
        options,
      );
    case "failed":
      return new BackscrollError("responder_failed", `the responder could not answer; ${KEPT}`, {}, options);
  }
}

export function replyInterrupted(why = "the server that wrote the reply went away"): BackscrollError {
  return new BackscrollError("reply_interrupted", `${why}; ${KEPT}`, {
    retryAfterSeconds: 1,
  });
}

/** How a reply ended whose generation is closed, and that is not stored. @param replaces it would have replaced another */
export function notKept(replaces: boolean): ReplyEnding {
  // One that comes to nothing leaves the reply before it; any other goes only with its conversation.
  return { type: "failed", error: replaces ? replyInterrupted("the reply was not kept") : conversationNotFound() };
}

/** How a stored reply ended. */
export function endingOf(message: MessageJson): ReplyEnding {
  const { status, metadata } = parseMessageJson(message);
  if (status === "interrupted") return { type: "failed", error: replyInterrupted() };
  if (status !== "failed") return { type: "saved", message };
  const code = metadata?.["error_code"];
  const known: ErrorCode = typeof code === "string" && code in ERROR_CODES ? (code as ErrorCode) : "responder_failed";
  return { type: "failed", error: new BackscrollError(known, `the responder could not answer; ${KEPT}`) };
}

/** A stored reply, as if it were being said. */
export function logOf(message: MessageJson): ReplyLog {
  const wire = parseMessageJson(message);
  const log = new ReplyLog(wire.id);
  for (const chunk of chunksSince(saidIn(wire), { chars: 0, tools: 0 })) log.add(chunk);
  log.end(endingOf(message));
  return log;
}

/** What is asked of a responder, as a part of a trace. */
export function responderSpan({ description }: Responder): SpanOptions {
  return { kind: "client", attributes: { "backscroll.responder": description } };
}
