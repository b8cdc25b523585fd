import { BackscrollError, type ErrorCode } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { lackingFrom } from "../domain/session-alignment.ts";
import { toNewMessage } from "../domain/session-message.ts";
import type { BackscrollSessions } from "./backscroll-sessions.ts";
import type { LegacySession } from "./legacy-sessions.ts";
import { canonicalMessages, compareSession } from "./parity.ts";

/** What was brought over. */
export interface Backfilled {
  readonly sessions: number;
  /** messages that were copied */
  readonly copied: number;
  /** messages that Backscroll does not take; `onFailure` was told of each */
  readonly refused: number;
  /** sessions that Backscroll has otherwise than as a beginning of the dictionary's: nothing of them was copied */
  readonly diverged: readonly string[];
}

/**
 * Brings over what a session has in the dictionary and lacks in Backscroll.
 *
 * @param replace one that has diverged begins anew, in another conversation
 * @param onRefused told of each message, and of a context, that Backscroll does not take: it is left out
 */
export async function backfillSession<Message extends object>(
  backscroll: BackscrollSessions<Message>,
  { sessionId, legacy }: { sessionId: string; legacy: LegacySession<Message> },
  { replace, onRefused }: { replace: boolean; onRefused: (error: unknown) => void },
): Promise<Backfilled> {
  const ours = await backscroll.read(sessionId, Number.POSITIVE_INFINITY);
  const { contextKeys } = compareSession(sessionId, legacy, ours);
  const lacking = messagesToAppend(legacy.messages, ours?.messages ?? []);
  if (lacking === null && !replace) return { sessions: 1, copied: 0, refused: 0, diverged: [sessionId] };
  if (lacking === null) await backscroll.delete(sessionId, "keep");
  const toAppend = lacking ?? legacy.messages;
  const copied = await appendWhatIsTaken(backscroll, { sessionId, messages: toAppend }, onRefused);
  const isNew = !ours || lacking === null;
  const set = isNew ? legacy.context : onlyKeys(legacy.context, contextKeys);
  if (isNew || Object.keys(set).length > 0) {
    await takenOr(onRefused, backscroll.changeContext(sessionId, { set, remove: [], replace: false }));
  }
  return { sessions: 1, copied, refused: toAppend.length - copied, diverged: [] };
}

/** @returns what `lackingFrom` says, as messages; null when they have diverged */
export function messagesToAppend<Message extends object>(
  legacy: readonly Message[],
  backscroll: readonly object[],
): readonly Message[] | null {
  const from = lackingFrom(canonicalMessages(legacy), canonicalMessages(backscroll));
  return from === null ? null : legacy.slice(from);
}

const REFUSALS: ReadonlySet<ErrorCode> = new Set(["invalid_request", "message_too_large", "message_id_conflict"]);

/** @returns whether it is what was sent that failed, and would fail again */
export function isRefusal(error: unknown): boolean {
  return error instanceof BackscrollError && REFUSALS.has(error.code);
}

/** One message that is refused keeps no other. @returns how many were taken */
async function appendWhatIsTaken<Message extends object>(
  backscroll: BackscrollSessions<Message>,
  { sessionId, messages }: { sessionId: string; messages: readonly Message[] },
  onRefused: (error: unknown) => void,
): Promise<number> {
  let taken = 0;
  const append = async (some: readonly Message[]): Promise<void> => {
    try {
      await backscroll.append(
        sessionId,
        some.map((message) => toNewMessage(message)),
      );
      taken += some.length;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (some.length === 1) return onRefused(error);
      for (const one of some) await append([one]);
    }
  };
  for (let from = 0; from < messages.length; from += LIMITS.messagesPerSaveMax) {
    await append(messages.slice(from, from + LIMITS.messagesPerSaveMax));
  }
  return taken;
}

async function takenOr(onRefused: (error: unknown) => void, write: Promise<void>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    onRefused(error);
  }
}

function onlyKeys(context: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(context).filter(([key]) => keys.includes(key)));
}
