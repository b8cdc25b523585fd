import type { UserName } from "../domain/user.ts";
import type { SessionStoreFailure, SessionStoreMode } from "./dual-write.ts";
import { legacyDictionary, type LegacySessions, type SessionDictionary } from "./legacy-sessions.ts";
import type { SessionParity } from "./parity.ts";

/** A message as apps keep it: extra keys, lists of parts and tool calls come back as they were given. */
export interface SessionMessage {
  readonly role: string;
}

export interface SessionStoreOptions<Message extends SessionMessage> {
  /** whose sessions they are; `with` gives the same store for another user */
  readonly user: UserName;
  /**
   * The old dictionary, an object or Map by session id: both are written. One whose sessions are lists of messages says so
   * by `legacyDictionary(SESSIONS, { create: () => [] })`.
   */
  readonly legacy?: SessionDictionary<Message> | LegacySessions<Message>;
  /** default: `legacy-first` where there is a dictionary */
  readonly mode?: SessionStoreMode;
  /**
   * The share of reads after which the whole session is compared, beside the answer: 0 to 1; default 0. Four at a time;
   * reads beyond that are not compared.
   */
  readonly shadowReads?: number;
  /** what `clear` does with the conversation: it stays in the user's history (default), or goes to the trash */
  readonly onClear?: "keep" | "trash";
  /** how long a request waits for the side that it does not read from; default 1000 */
  readonly deadlineMs?: number;
  /** told of every shadow read that found a difference */
  readonly onMismatch?: (parity: SessionParity) => void;
  /** told of what failed on the other side; by default it is logged */
  readonly onFailure?: (failure: SessionStoreFailure) => void;
}

/** The options, checked. */
export interface SessionStoreSettings<Message extends SessionMessage> {
  readonly user: UserName;
  readonly legacy: LegacySessions<Message> | null;
  readonly mode: SessionStoreMode;
  readonly shadowReads: number;
  readonly onClear: "keep" | "trash";
  readonly deadlineMs: number;
  readonly onMismatch: (parity: SessionParity) => void;
}

/** @throws {TypeError} naming the option that is wrong */
export function toSettings<Message extends SessionMessage>(
  options: SessionStoreOptions<Message>,
): SessionStoreSettings<Message> {
  const { user, shadowReads = 0, onClear = "keep", deadlineMs = 1_000, onMismatch = () => undefined } = options;
  const legacy = options.legacy === undefined ? null : toLegacy(options.legacy);
  const { mode = legacy ? "legacy-first" : "off" } = options;
  if (!(shadowReads >= 0 && shadowReads <= 1)) throw new TypeError("shadowReads must be from 0 to 1");
  const settings = { user, legacy, mode, shadowReads, onClear, deadlineMs, onMismatch };
  return { ...settings, mode: checkedMode(settings) };
}

/** @throws {TypeError} */
export function checkedMode({ mode, legacy }: { mode: SessionStoreMode; legacy: object | null }): SessionStoreMode {
  if (!["legacy-first", "backscroll-first", "off"].includes(mode)) {
    throw new TypeError("mode must be legacy-first, backscroll-first or off");
  }
  if (mode !== "off" && !legacy) throw new TypeError(`the mode ${mode} needs a \`legacy\` dictionary`);
  return mode;
}

function toLegacy<Message extends object>(
  legacy: SessionDictionary<Message> | LegacySessions<Message>,
): LegacySessions<Message> {
  return isLegacySessions<Message>(legacy) ? legacy : legacyDictionary<Message>(legacy);
}

function isLegacySessions<Message>(legacy: object): legacy is LegacySessions<Message> {
  return !(legacy instanceof Map) && typeof Reflect.get(legacy, "read") === "function";
}
