import type { ConversationRef } from "../domain/conversation.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { TIE_RULES, type TieRule } from "../domain/tie-order.ts";
import type { ImportedState } from "../postgres/guide-imported.ts";
import type { GuideSource } from "../postgres/guide-source.ts";
import type { GuideConversation } from "../postgres/guide-tables.ts";
import type { Deps } from "./deps.ts";
import type { RoleOf } from "./guide-messages.ts";

/** What bringing a conversation over stands on. */
export interface Bringing {
  readonly deps: Deps;
  readonly source: GuideSource;
  readonly run: GuideRun;
  readonly roleOf: RoleOf;
  /** compare only, and store nothing */
  readonly verifyOnly: boolean;
  /** messages that were deleted here come back */
  readonly restoreDeleted: boolean;
  readonly signal: AbortSignal;
}

/** A conversation of the guide's table, and where it is here. */
export interface PlacedConversation {
  readonly guide: GuideConversation;
  readonly ref: ConversationRef;
  /** as it was when the run met it; null: it was not here */
  readonly state: ImportedState | null;
}

/** Something of the guide's tables that could not be imported, or is not here as it is there. */
export interface GuideError {
  /** null: of no one conversation */
  readonly conversationId: string | null;
  /** null: the conversation itself */
  readonly messageId: string | null;
  readonly code: ErrorCode | "missing" | "deleted_or_new" | "no_conversation";
  /** no content */
  readonly detail: string;
}

export interface GuideImport {
  conversationsCreated: number;
  conversationsExisting: number;
  /** of those there: given the title that they have in the guide's table now */
  conversationsRetitled: number;
  /** deleted here since: passed over */
  conversationsInTrash: number;
  /** imported once, and not in the guide's table any more: they stay */
  conversationsGone: number;
  /** the first 100 of them */
  readonly goneIds: string[];
  /** stored now */
  messagesSaved: number;
  /** there already, the same */
  messagesSkipped: number;
  /** of those stored: older than what their conversation had already, so they come after it */
  messagesLate: number;
  /** of compared conversations: deleted here since, and passed over */
  messagesDeletedHere: number;
  /** of compared conversations: written here, or deleted in the guide's table since */
  messagesOnlyHere: number;
  /** here with another time than there: it ran backwards, or was in the future */
  messagesMoved: number;
  /** how many of those stored had their time in common with a neighbour, by what put them in their place */
  readonly ties: Record<TieRule, number>;
  /** found here as they are in the guide's table, but for what was deleted here */
  conversationsVerified: number;
  messagesVerified: number;
  /** conversations and messages that were not imported, or differ */
  failed: number;
  /** whether it was stopped before its end */
  stopped: boolean;
}

/** How many are named of what is no failure. */
const NAMED = 100;

/** What an import has done so far, and whom it has to tell. */
export class GuideRun {
  readonly result: GuideImport = {
    conversationsCreated: 0,
    conversationsExisting: 0,
    conversationsRetitled: 0,
    conversationsInTrash: 0,
    conversationsGone: 0,
    goneIds: [],
    messagesSaved: 0,
    messagesSkipped: 0,
    messagesLate: 0,
    messagesDeletedHere: 0,
    messagesOnlyHere: 0,
    messagesMoved: 0,
    ties: Object.fromEntries(TIE_RULES.map((rule) => [rule, 0])) as Record<TieRule, number>,
    conversationsVerified: 0,
    messagesVerified: 0,
    failed: 0,
    stopped: false,
  };
  /** who got anything */
  readonly users = new Set<number>();
  readonly #onError: (error: GuideError) => void;
  readonly #onProgress: (soFar: GuideImport, messages: number) => void;
  #messagesSeen = 0;

  constructor(onError: (error: GuideError) => void, onProgress: (soFar: GuideImport, messages: number) => void) {
    this.#onError = onError;
    this.#onProgress = onProgress;
  }

  fail(conversationId: string | null, messageId: string | null, code: GuideError["code"], detail: string): void {
    this.result.failed += 1;
    this.#onError({ conversationId, messageId, code, detail });
  }

  /** @param messages of the guide's table that nothing is left to be done for */
  seen(messages: number): void {
    this.#messagesSeen += messages;
    this.#onProgress(this.result, this.#messagesSeen);
  }

  gone(conversationId: string): void {
    this.result.conversationsGone += 1;
    if (this.result.goneIds.length < NAMED) this.result.goneIds.push(conversationId);
  }
}
