import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { toStoredId } from "../domain/ids.ts";
import { findImportedHashes, type ImportedHash, type ImportedState } from "../postgres/guide-imported.ts";
import type { GuideSource } from "../postgres/guide-source.ts";
import { findGuideContents, type GuideConversation } from "../postgres/guide-tables.ts";
import { type ImportedMessage, insertImportedMessages } from "../postgres/import.ts";
import { changeConversation } from "./changes.ts";
import type { Deps } from "./deps.ts";
import {
  checkGuideMessage,
  type OrderedMessage,
  readInOrder,
  type RoleOf,
  toImportedMessage,
} from "./guide-messages.ts";
import type { GuideRun } from "./guide-run.ts";

/** What bringing a conversation over stands on. */
export interface Bringing {
  readonly deps: Deps;
  readonly source: GuideSource;
  readonly run: GuideRun;
  readonly roleOf: RoleOf;
  /** messages that were deleted here come back */
  readonly restoreDeleted: boolean;
  readonly signal: AbortSignal;
}

/** A conversation of the guide's table, and where it is here. */
export interface PlacedConversation {
  readonly guide: GuideConversation;
  readonly ref: ConversationRef;
  /** null: not here yet */
  readonly state: ImportedState | null;
}

/** Messages of one statement, and of one look for what is there. */
const MESSAGES_A_STATEMENT = 500;
const BYTES_A_STATEMENT = 1_048_576;
/** A conversation with no more is read at once, contents and all. */
const BYTES_AT_ONCE = 4 * BYTES_A_STATEMENT;

/** Stores what is not here yet. What is invalid is left out, and told. */
export async function storeMissing(bringing: Bringing, conversation: PlacedConversation): Promise<void> {
  const { source, run, roleOf, deps, signal } = bringing;
  const { guide, ref } = conversation;
  const missing = new Missing(bringing, conversation);
  const isNew = conversation.state === null;
  const extra = !isNew ? "hash" : guide.bytes <= BYTES_AT_ONCE ? "content" : "nothing";
  const bytesMax = deps.settings.messageBytesMax;
  let messages = 0;
  for await (const batch of readInOrder(source, { conversationId: guide.id, with: extra, bytesMax }, roleOf)) {
    for (const some of inPieces(batch, MESSAGES_A_STATEMENT)) {
      if (signal.aborted) return;
      const valid = some.filter((message) => isValid(bringing, guide.id, message));
      const here = isNew ? NOTHING_HERE : await findHere(bringing, ref, valid);
      await missing.store(valid.filter(({ id }) => !here.has(id)));
      run.result.messagesSkipped += valid.filter(({ id, hash }) => here.get(id)?.hash === hash).length;
    }
    messages += batch.length;
    run.seen(batch.length);
  }
  const lacking = guide.digest.messages - messages;
  if (lacking === 0) return;
  run.seen(lacking);
  run.fail(guide.id, null, "invalid_request", `${lacking} of its messages have no created_at: they were left out`);
}

const NOTHING_HERE: ReadonlyMap<string, ImportedHash> = new Map();

function isValid({ deps, run }: Bringing, conversationId: string, message: OrderedMessage): boolean {
  try {
    checkGuideMessage(message, deps.settings);
    return true;
  } catch (error) {
    if (!(error instanceof BackscrollError)) throw error;
    run.fail(conversationId, message.id, error.code, error.message);
    return false;
  }
}

/** @returns by the id that they have in the guide's table */
async function findHere(
  { deps }: Pick<Bringing, "deps">,
  ref: ConversationRef,
  messages: readonly { readonly id: string }[],
): Promise<ReadonlyMap<string, ImportedHash>> {
  const stored = messages.map(({ id }) => toStoredId(ref.userId, id).id);
  const found = await findImportedHashes(deps.db, ref, stored);
  return new Map(
    messages.flatMap(({ id }, index) => {
      const hash = found.get(stored[index] ?? "");
      return hash === undefined ? [] : [[id, hash] as const];
    }),
  );
}

/**
 * What of a conversation is not here. Where messages were deleted here, as many of those that are missing are taken for
 * them, the oldest first: which they were, nobody knows any more.
 */
class Missing {
  readonly #bringing: Bringing;
  readonly #conversation: PlacedConversation;
  #deletedLeft: number;
  #newestMs: number;

  constructor(bringing: Bringing, conversation: PlacedConversation) {
    this.#bringing = bringing;
    this.#conversation = conversation;
    this.#deletedLeft = deletedHere(bringing, conversation);
    this.#newestMs = conversation.state?.newestMs ?? Number.NEGATIVE_INFINITY;
  }

  async store(messages: readonly OrderedMessage[]): Promise<void> {
    const deleted = Math.min(this.#deletedLeft, messages.length);
    this.#deletedLeft -= deleted;
    this.#bringing.run.result.messagesDeletedHere += deleted;
    let piece: OrderedMessage[] = [];
    let bytes = 0;
    for (const message of messages.slice(deleted)) {
      if (piece.length > 0 && bytes + message.bytes > BYTES_A_STATEMENT) {
        await this.#insert(piece);
        [piece, bytes] = [[], 0];
      }
      piece.push(message);
      bytes += message.bytes;
    }
    await this.#insert(piece);
  }

  async #insert(messages: readonly OrderedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const { deps, run } = this.#bringing;
    const { ref, guide } = this.#conversation;
    const contents = await this.#contentsOf(messages);
    let toStore = messages.map((message) => this.#toImported(message, contents.get(message.id) ?? ""));
    const stored = await changeConversation(
      deps,
      ref,
      this.#insertNew(toStore, (left) => (toStore = left)),
    );
    if (stored === "conversation_not_found") {
      for (const { id } of toStore) run.fail(guide.id, id, stored, "the conversation was deleted here meanwhile");
      return;
    }
    const ids = new Set(toStore.map(({ id }) => id));
    const { result } = run;
    result.messagesSaved += ids.size;
    result.messagesSkipped += messages.length - ids.size;
    run.users.add(ref.userId);
    for (const { id, tie, atMs } of messages) {
      if (!ids.has(id)) continue;
      if (tie !== null) result.ties[tie] += 1;
      if (this.#isLate(atMs)) result.messagesLate += 1;
    }
    this.#newestMs = Math.max(this.#newestMs, ...messages.map(({ atMs }) => atMs ?? 0));
  }

  /** Somebody else may have stored some of them since they were looked for: another run, or the app. */
  async #insertNew(
    messages: readonly ImportedMessage[],
    onLeft: (left: ImportedMessage[]) => void,
  ): Promise<"stored" | "conversation_not_found"> {
    const { deps } = this.#bringing;
    const { ref } = this.#conversation;
    let left = messages;
    for (;;) {
      const stored = left.length === 0 ? "stored" : await insertImportedMessages(deps.db, ref, left);
      if (stored !== "duplicate_id") return stored;
      const here = await findHere({ deps }, ref, left);
      left = left.filter(({ id }) => !here.has(id));
      onLeft([...left]);
    }
  }

  async #contentsOf(messages: readonly OrderedMessage[]): Promise<ReadonlyMap<string, string>> {
    const read = messages.flatMap(({ id, content }) => (content === null ? [] : [[id, content] as const]));
    if (read.length === messages.length) return new Map(read);
    return findGuideContents(
      this.#bringing.source,
      messages.map(({ id }) => id),
    );
  }

  #toImported(message: OrderedMessage, content: string): ImportedMessage {
    const { atMs } = message;
    return toImportedMessage(message, content, this.#isLate(atMs) || (atMs !== null && atMs > Date.now()));
  }

  #isLate(atMs: number | null): boolean {
    return atMs !== null && atMs < this.#newestMs;
  }
}

function deletedHere({ restoreDeleted }: Bringing, { state }: PlacedConversation): number {
  return restoreDeleted || state === null ? 0 : Math.max(0, state.lastSeq - state.messages);
}

/**
 * Compares a conversation message by message, by hashes that each database makes: what is not here, or not as it is
 * there, is told. What was left out for what it is counts as told already.
 *
 * @returns whether all that could be imported is here
 */
export async function verifyMessages(
  bringing: Bringing,
  conversation: PlacedConversation,
  { here: messagesHere }: { here: number },
): Promise<boolean> {
  const { source, run, roleOf, deps, signal } = bringing;
  const { guide, ref } = conversation;
  const { result } = run;
  let deletedLeft = deletedHere(bringing, conversation);
  let found = 0;
  let wrong = 0;
  const bytesMax = deps.settings.messageBytesMax;
  for await (const batch of readInOrder(source, { conversationId: guide.id, with: "hash", bytesMax }, roleOf)) {
    for (const some of inPieces(batch, MESSAGES_A_STATEMENT)) {
      if (signal.aborted) return false;
      const valid = some.filter((message) => isKeepable(bringing, message));
      const here = await findHere(bringing, ref, valid);
      found += here.size;
      for (const message of valid) {
        const imported = here.get(message.id);
        if (imported === undefined && deletedLeft > 0) {
          deletedLeft -= 1;
        } else if (imported === undefined) {
          wrong += 1;
          run.fail(guide.id, message.id, "missing", "it is not here");
        } else if (imported.hash !== message.hash) {
          wrong += 1;
          const detail = "it is here with another role, content, tokens_used or latency_ms: one of the two was changed";
          run.fail(guide.id, message.id, "message_id_conflict", detail);
        } else {
          result.messagesVerified += 1;
          if (imported.atMs !== message.atMs) result.messagesMoved += 1;
        }
      }
    }
  }
  result.messagesOnlyHere += Math.max(0, messagesHere - found);
  return wrong === 0;
}

function isKeepable({ deps }: Bringing, message: OrderedMessage): boolean {
  try {
    checkGuideMessage(message, deps.settings);
    return true;
  } catch (error) {
    if (error instanceof BackscrollError) return false;
    throw error;
  }
}

function* inPieces<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
