import { DEFAULT_TITLE, type ConversationRef } from "../domain/conversation.ts";
import { logText } from "../domain/logged-error.ts";
import { titleFrom, titleFromSuggestion } from "../domain/title.ts";
import { updateDefaultTitle } from "../postgres/conversations.ts";
import type { Exchange } from "../responder/responder.ts";
import type { Deps } from "./deps.ts";
import { responderFailureText, responderSpan } from "./ending.ts";

const SUGGESTION_TIMEOUT_MS = 10_000;

/** @returns a title of at most 60 characters from what somebody wrote; the default when there are no words in it */
export function titleFromMessage(text: string): string {
  return titleFrom(text) || DEFAULT_TITLE;
}

/**
 * Names a conversation by its first exchange, unless it has been named: by the responder where it can, from the
 * question otherwise. Never rejects; a service that stops does not wait for the responder.
 *
 * @returns the title; null when it was not set: somebody gave one meanwhile, or the exchange has no words
 */
export function giveTitle(deps: Deps, ref: ConversationRef, exchange: Exchange): Promise<string | null> {
  return deps.tracer.span("give title", {}, () => give(deps, ref, exchange));
}

async function give(deps: Deps, ref: ConversationRef, exchange: Exchange): Promise<string | null> {
  const title = (await suggestedTitle(deps, exchange)) || titleFrom(exchange.question);
  if (title === "") return null;
  try {
    const conversationId = await updateDefaultTitle(deps.db, ref, title);
    if (conversationId === null) return null;
    deps.live.feed.tell(ref.userId, { type: "conversation_updated", conversation_id: conversationId });
    return title;
  } catch (error) {
    deps.log.warn({ error: logText(error) }, "a title could not be saved; the next exchange gives one");
    return null;
  }
}

/** @returns "" when the responder has none to give */
async function suggestedTitle(deps: Deps, exchange: Exchange): Promise<string> {
  const { responder, draining, tracer, log } = deps;
  if (!responder.suggestTitle || draining.aborted) return "";
  const signal = AbortSignal.any([AbortSignal.timeout(SUGGESTION_TIMEOUT_MS), draining]);
  const aborted = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
  aborted.promise.catch(() => undefined); // it may come when nobody waits any more
  try {
    const suggest = responder.suggestTitle.bind(responder);
    const suggested = tracer.span("suggest title", responderSpan(responder), () =>
      // Raced: a responder need not listen to its signal.
      Promise.race([suggest(exchange, signal, tracer.headers()), aborted.promise]),
    );
    return titleFromSuggestion(await suggested);
  } catch (error) {
    const fields = { responder: responder.description, error: responderFailureText(error) };
    if (!draining.aborted) log.warn(fields, "the responder suggested no title: the question gives it");
    return "";
  }
}
