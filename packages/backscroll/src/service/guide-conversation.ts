import { findGuideContents } from "../postgres/guide-tables.ts";
import { insertImportedMessages } from "../postgres/import.ts";
import { changeConversation } from "./changes.ts";
import { type Found, findHere, readKeepable } from "./guide-here.ts";
import { type KeepableMessage, toImportedMessage } from "./guide-messages.ts";
import type { Bringing, PlacedConversation } from "./guide-run.ts";

const BYTES_A_STATEMENT = 1_048_576;
/** A conversation with no more is read at once, contents and all. */
const BYTES_AT_ONCE = 4 * BYTES_A_STATEMENT;

/** Stores what is not here yet. What cannot be kept is left out, and told. */
export async function storeMissing(bringing: Bringing, conversation: PlacedConversation): Promise<void> {
  const { run, signal } = bringing;
  const { guide, state } = conversation;
  const missing = new Missing(bringing, conversation);
  const extra = state !== null ? "hash" : guide.bytes <= BYTES_AT_ONCE ? "content" : "nothing";
  for await (const { messages, read } of readKeepable(bringing, conversation, { with: extra, tells: true })) {
    if (signal.aborted) return;
    const found = state === null ? null : await findHere(bringing, conversation, messages);
    await missing.store(found === null ? messages : notHere(messages, found));
    run.result.messagesSkipped += messages.filter(({ id, hash }) => found?.here.get(id)?.hash === hash).length;
    run.seen(read);
  }
}

/** @returns those that are to be stored: what was deleted here, or may have been, stays away, and the comparison tells it */
function notHere(messages: readonly KeepableMessage[], { here, absenceOf }: Found): readonly KeepableMessage[] {
  return messages.filter((message) => !here.has(message.id) && absenceOf(message) === "missing");
}

/** What of a conversation is to be stored, in order. */
class Missing {
  readonly #bringing: Bringing;
  readonly #conversation: PlacedConversation;
  #newestMs: number;

  constructor(bringing: Bringing, conversation: PlacedConversation) {
    this.#bringing = bringing;
    this.#conversation = conversation;
    this.#newestMs = conversation.state?.newestMs ?? Number.NEGATIVE_INFINITY;
  }

  async store(messages: readonly KeepableMessage[]): Promise<void> {
    let piece: KeepableMessage[] = [];
    let bytes = 0;
    for (const message of messages) {
      if (piece.length > 0 && bytes + message.bytes > BYTES_A_STATEMENT) {
        await this.#insert(piece);
        [piece, bytes] = [[], 0];
      }
      piece.push(message);
      bytes += message.bytes;
    }
    await this.#insert(piece);
  }

  async #insert(messages: readonly KeepableMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const { deps, run } = this.#bringing;
    const { ref, guide } = this.#conversation;
    const contents = await this.#contentsOf(messages);
    const { inserted, left } = await changeConversation(deps, ref, this.#insertNew(messages, contents));
    const { result } = run;
    result.messagesSkipped += messages.length - left.length;
    if (inserted === "conversation_not_found") {
      for (const { id } of left) run.fail(guide.id, id, inserted, "the conversation was deleted here meanwhile");
      return;
    }
    result.messagesSaved += left.length;
    run.users.add(ref.userId);
    for (const message of left) {
      if (message.tie !== null) result.ties[message.tie] += 1;
      if (this.#isLate(message)) result.messagesLate += 1;
    }
    this.#newestMs = Math.max(this.#newestMs, ...messages.map(({ atMs }) => atMs));
  }

  /**
   * Somebody else may have stored some of them since they were looked for: another run, or the app.
   *
   * @returns `left`: those that this is about
   */
  async #insertNew(
    messages: readonly KeepableMessage[],
    contents: ReadonlyMap<string, string>,
  ): Promise<{
    readonly inserted: "stored" | "conversation_not_found";
    readonly left: readonly KeepableMessage[];
  }> {
    const { deps } = this.#bringing;
    let left = messages;
    while (left.length > 0) {
      const imported = left.map((message) =>
        toImportedMessage(message, contents.get(message.id) ?? "", this.#isMoved(message)),
      );
      const inserted = await insertImportedMessages(deps.db, this.#conversation.ref, imported);
      if (inserted !== "duplicate_id") return { inserted, left };
      left = notHere(left, await findHere(this.#bringing, this.#conversation, left));
    }
    return { inserted: "stored", left };
  }

  async #contentsOf(messages: readonly KeepableMessage[]): Promise<ReadonlyMap<string, string>> {
    const read = messages.flatMap(({ id, content }) => (content === null ? [] : [[id, content] as const]));
    if (read.length === messages.length) return new Map(read);
    return findGuideContents(
      this.#bringing.source,
      messages.map(({ id }) => id),
    );
  }

  /** Its time will be another one here. */
  #isMoved(message: KeepableMessage): boolean {
    return this.#isLate(message) || message.atMs > Date.now();
  }

  /** Older than what is before it here. */
  #isLate({ atMs }: KeepableMessage): boolean {
    return atMs < this.#newestMs;
  }
}
