import type { Dictionary } from "./dictionary.ts";
import {
  declaresMessages,
  looksLikeOther,
  looksLikeSession,
  namesConversations,
  namesMessages,
  namesSession,
} from "./vocabulary.ts";

export type Verdict =
  | { readonly isSessions: true }
  /** Not one, but near enough to be named, with what is missing. */
  | { readonly isSessions: false; readonly doubt: string | null };

/**
 * Whether a dictionary holds conversations by session. No name decides it: it has to be keyed by an expression, and either hold
 * messages, or be called so, keyed so, and hold nothing that speaks against it.
 */
export function judge({ name, annotation, valueTypes, evidence, uses }: Dictionary): Verdict {
  const keys = [...evidence.keys];
  const values = [...evidence.values];
  const isKeyed = keys.length > 0;
  const hasName = namesConversations(name);
  const hasKey = keys.some(namesSession);
  const isAppendedTo = uses.some(({ pattern }) => pattern === "append");
  const isNested = keys.length > 0 && uses.some(({ reason }) => reason?.includes("nested"));
  const typed =
    declaresMessages(valueTypes) ||
    (/message|history|conversation|chat|\bturns?\b|Memory/i.test(annotation) && !isOtherType(annotation));
  const holdsMessages =
    evidence.messagesAdded > 0 ||
    values.some(looksLikeSession) ||
    (evidence.messageFields > 0 && isAppendedTo) ||
    (evidence.messagesNamed > 0 && hasName && (hasKey || evidence.listAppends > 0));
  const speaksAgainst =
    isOtherType(annotation) || values.some((value) => looksLikeOther(value) && !looksLikeSession(value));

  if (!isKeyed) {
    const isDeclaredOnly =
      hasName && typed && evidence.literalKeys === 0 && uses.some(({ pattern }) => pattern === "iterate");
    return isDeclaredOnly ? { isSessions: true } : { isSessions: false, doubt: null };
  }
  if (isOtherType(annotation)) return no(hasName && hasKey, "its type is of something else");
  if (holdsMessages && (hasName || hasKey || evidence.messagesAdded > 0)) return { isSessions: true };
  if (isListOfMessages(annotation)) return { isSessions: true };
  if (speaksAgainst) return no(hasName, "it holds no messages");
  const hasLists =
    evidence.listAppends > 0 ||
    evidence.slices > 0 ||
    /list|\[\]|deque|Array/i.test(`${annotation} ${values.join(" ")}`);
  const speaksOfMessages = typed || evidence.messageFields > 0 || (hasLists && namesMessages(name));
  if (hasKey && speaksOfMessages && (hasName || hasLists || typed)) return { isSessions: true };
  if (hasName && typed) return { isSessions: true };
  const isNear =
    hasName || (hasKey && (/Session\b/.test(annotation) || isAppendedTo || isNested || evidence.contextFields > 0));
  const seen = "no message is seen to be put into it";
  return no(isNear, isNested ? `it is nested, by a second key, and ${seen}` : seen);
}

/** Not after what is known so far: where it is used by a key, that use would say so. */
export function mayBeSessions(dictionary: Dictionary): boolean {
  if (dictionary.evidence.keys.size === 0) return true;
  const verdict = judge(dictionary);
  return verdict.isSessions || verdict.doubt !== null;
}

function no(isNear: boolean, doubt: string): Verdict {
  return { isSessions: false, doubt: isNear ? doubt : null };
}

/** `Map<string, WebSocket>`, `dict[str, requests.Session]`. */
function isOtherType(annotation: string): boolean {
  return /socket|transport|connection|requests\.|aiohttp|AsyncSession|ClientSession|SessionLocal|sqlalchemy|lock\b|Lock\(|queue|task\b|timer|timeout|number>|int\]|boolean>|bool\]|float\]|Promise<|=>/i.test(
    annotation,
  );
}

/** `Map<string, Turn[]>`, `dict[str, list[Message]]` */
function isListOfMessages(annotation: string): boolean {
  return /\b\w*(Message|Msg|Turn)(Param)?s?\s*\[\]|\b(Array|list|deque)\s*[<[]\s*[\w.]*(Message|Msg|Turn)/i.test(
    annotation,
  );
}
