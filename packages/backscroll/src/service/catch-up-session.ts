import { BackscrollError, type ErrorCode } from "../domain/errors.ts";
import { deriveId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import type { SessionRef } from "../domain/session.ts";
import { findImportTarget, type ImportTarget } from "../postgres/import-sessions.ts";
import { alignedFrom, type Alignment } from "./align-session.ts";
import type { Deps } from "./deps.ts";
import type { DumpedMessages } from "./dumped-messages.ts";
import { IMPORT_RECORD_KEY, parseImportRecord } from "./import-record.ts";
import { SessionAppend } from "./session-append.ts";

/** What is told of a session, and of each of its messages. */
export interface SessionEvents {
  /** @param position of the message; null: the session, or something beside its messages */
  refused(position: number | null, code: ErrorCode | "diverged", message: string): void;
  /** it is imported; `isNew`: there was no such session */
  found(isNew: boolean): void;
  saved(messages: number): void;
  /** they were there */
  skipped(messages: number): void;
}

/** One session of a dump, checked. */
export interface CheckedSession {
  readonly ref: SessionRef;
  readonly messages: DumpedMessages;
  readonly context: JsonObject;
  /** of its conversation, when it gets one */
  readonly metadata: JsonObject;
  /** null: as its first message */
  readonly createdAt: Date | null;
  /** of one without messages */
  readonly otherwise: Date;
}

/** What to do about a session that is neither a beginning of the dump's nor goes on after it. */
export interface Divergence {
  /** messages whose place is in doubt are added all the same */
  readonly append: boolean;
  /** it begins anew, in another conversation; of contexts that were changed on both sides, the dump's is taken */
  readonly replace: boolean;
}

export interface CatchUpOptions extends Divergence {
  readonly events: SessionEvents;
  readonly signal: AbortSignal;
}

/**
 * Brings over what a session of a dump has and Backscroll lacks, as `backfillSession` does for a dictionary. Every write
 * is whole or not at all, and is made only while the conversation is as it was compared: whoever else writes meanwhile,
 * and wherever it is broken off, doing it again gives what doing it once would have given.
 *
 * @throws {BackscrollError} conversation_id_conflict when its conversation is in the trash; user_erased
 */
export async function catchUpSession(
  deps: Deps,
  session: CheckedSession,
  { append, replace, events, signal }: CatchUpOptions,
): Promise<void> {
  const { ref } = session;
  const otherwise = deriveId(`${ref.userId}:${ref.sessionId}`, PURPOSE);
  const done = { saved: 0, refused: new Set<number | null>() };
  for (let instead: string | null = null, isFirst = true; !signal.aborted;) {
    const target: ImportTarget = await findImportTarget(deps.db, ref, {
      instead,
      otherwise,
      recordKey: IMPORT_RECORD_KEY,
    });
    const { conversation } = target;
    if (conversation?.inTrash === true) {
      const message = "its conversation is in the trash: restore or erase it first";
      throw new BackscrollError("conversation_id_conflict", message);
    }
    const at = { userId: ref.userId, id: conversation?.id ?? instead ?? otherwise };
    const record = parseImportRecord(conversation?.record);
    const place = { lastSeq: conversation?.lastSeq ?? 0, record };
    const aligned = conversation ? await alignedFrom(deps.db, at, place, session.messages) : NEW;
    if (aligned === null || (aligned.doubt !== null && !append)) {
      if (!replace) return events.refused(null, "diverged", aligned?.doubt ? DOUBTS[aligned.doubt] : DIVERGED);
      instead = deriveId(`${ref.userId}:${ref.sessionId}:${at.id}`, PURPOSE);
      continue;
    }
    if (isFirst) events.found(target.session === null || target.session.hasExpired);
    isFirst = false;
    const total = await new SessionAppend(deps, { session, events, done, at, target, record, replace }).append(
      aligned,
      signal,
    );
    if (total === "broken off") return;
    const refused = [...done.refused].filter((position) => position !== null).length;
    if (total !== "changed") return events.skipped(total - done.saved - refused);
  }
}

/** Of the ids of conversations that are derived here. */
const PURPOSE = "conversation of an imported session";
const NEW: Alignment = { from: 0, isAll: false, doubt: null };
const ANEW = "--replace begins it anew in another conversation";
const DIVERGED = `Backscroll has this session otherwise than as a beginning of the dump's, and nothing was imported: ${ANEW}`;
const DOUBTS: Record<NonNullable<Alignment["doubt"]>, string> = {
  "nothing in common":
    "what Backscroll and the dump have of this session has no message in common, and nothing was imported: --append adds " +
    `the dump's after it, ${ANEW}`,
  deleted:
    "the last messages of this session were deleted here, and nothing tells whether what the dump has more are these; " +
    `nothing was imported: --append adds it, ${ANEW}`,
};
