import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import {
  type MessageBytes,
  type MessageField,
  type MessageJson,
  parseMessageJson,
  seqOfMessage,
  type WireMessage,
} from "../domain/message.ts";
import { countMessages, listNewestMessages, type MessageWindow } from "../postgres/messages.ts";
import type { ContextMessage } from "../responder/responder.ts";
import type { Deps } from "./deps.ts";
import { readRecent } from "./history.ts";
import { conversationNotFound } from "./messages.ts";
import type { TokenCounter } from "./token-counter.ts";

/** What a responder is shown. */
export interface Context {
  /** oldest first; the last one is the question */
  readonly messages: readonly ContextMessage[];
  /** how many messages up to the question are not shown: older ones, and replies that failed */
  readonly leftOut: number;
}

/** Who says it and where it ends. */
const TOKENS_BESIDE_CONTENT = 4;
const PAGE_MIN = 20;
const PAGE_MAX = 200;
/** `parts` are not shown, and may be megabytes. */
const FIELDS = ["seq", "role", "content", "status", "version", "created_at"] as const satisfies readonly MessageField[];
type Shown = Pick<WireMessage, (typeof FIELDS)[number]>;

/**
 * The question and as many messages before it, without a gap, as the budget of tokens holds. The question is always
 * shown, whatever its size. The results of tools go with the message that called them, or not at all. A reply that
 * failed says nothing.
 *
 * @param questionSeq what comes after it is not looked at
 * @throws {BackscrollError} conversation_not_found; message_not_found when the question is gone; database_unavailable
 */
export async function contextFor(deps: Deps, ref: ConversationRef, questionSeq: number): Promise<Context> {
  const before = new MessagesBackwards(deps, ref, questionSeq);
  const budget = new Budget(deps.tokenCounter, ref, deps.settings.contextTokens);
  const shown: Shown[] = [];
  /** messages that are shown together, newest first: tools' results until their call comes */
  let unit: Shown[] = [];
  for await (const message of before.read()) {
    unit.push(message);
    if (message.role === "tool") continue;
    if (!saysNothing(message)) {
      const fits = await budget.take(unit);
      if (!fits && shown.length > 0) break;
      shown.push(...unit);
    }
    unit = [];
  }
  return {
    messages: shown.map(({ role, content }) => ({ role, content })).toReversed(),
    leftOut: Math.max(0, (await before.count()) - shown.length),
  };
}

/** A reply that failed, or ended before it said anything. */
function saysNothing({ role, status, content }: Shown): boolean {
  return role === "assistant" && (status === "failed" || (status !== "complete" && content === ""));
}

/** Tokens that are left. Counts only when it has to: a token is a byte of UTF-8 at least. */
class Budget {
  readonly #counter: TokenCounter;
  readonly #ref: ConversationRef;
  #left: number;
  #uncounted: Shown[] = [];
  #uncountedMax = 0;

  constructor(counter: TokenCounter, ref: ConversationRef, tokens: number) {
    this.#counter = counter;
    this.#ref = ref;
    this.#left = tokens;
  }

  /** @returns whether there were as many left; after the first false it is spent */
  async take(messages: readonly Shown[]): Promise<boolean> {
    this.#uncounted.push(...messages);
    for (const { content } of messages) this.#uncountedMax += TOKENS_BESIDE_CONTENT + Buffer.byteLength(content);
    if (this.#uncountedMax <= this.#left) return true;
    for (const message of this.#uncounted) {
      this.#left -= TOKENS_BESIDE_CONTENT + (await this.#counter.count(this.#keyOf(message), message.content));
      if (this.#left < 0) return false;
    }
    this.#uncounted = [];
    this.#uncountedMax = 0;
    return true;
  }

  /** With the time: a conversation that is erased and made again begins at the same seq. */
  #keyOf({ seq, version, created_at }: Shown): string {
    return `${this.#ref.userId}:${this.#ref.id}:${seq}:${version}:${created_at}`;
  }
}

/** The messages from the question back: those of the cache, then PostgreSQL's for as long as anybody reads on. */
class MessagesBackwards {
  readonly #deps: Deps;
  readonly #ref: ConversationRef;
  readonly #questionSeq: number;
  #fetched = 0;
  #hasMore = true;
  #window: MessageWindow | undefined;

  constructor(deps: Deps, ref: ConversationRef, questionSeq: number) {
    this.#deps = deps;
    this.#ref = ref;
    this.#questionSeq = questionSeq;
  }

  /** Newest first, `contextMessages` at most. */
  async *read(): AsyncGenerator<Shown, void, undefined> {
    const { contextMessages } = this.#deps.settings;
    let page = await this.#readCached();
    for (let beforeSeq = this.#questionSeq + 1; ;) {
      if (page.length === 0 && this.#hasMore && this.#fetched < contextMessages) page = await this.#fetch(beforeSeq);
      if (page.length === 0) return;
      for (const json of page) {
        const message = parseMessageJson(json);
        beforeSeq = message.seq;
        yield message;
      }
      page = [];
    }
  }

  /** @returns how many messages there are up to the question */
  async count(): Promise<number> {
    if (!this.#hasMore) return this.#fetched;
    const { messageCount, lastSeq } = this.#window ?? (await this.#list({ beforeSeq: 1, limit: 1 }));
    if (lastSeq <= this.#questionSeq) return messageCount;
    const since = { firstSeq: this.#questionSeq + 1, lastSeq };
    return messageCount - (await countMessages(this.#deps.db, this.#ref, since));
  }

  /** @returns none when the question is not among the newest messages: others have written much since */
  async #readCached(): Promise<readonly (MessageJson | MessageBytes)[]> {
    const { cacheMessageLimit, contextMessages } = this.#deps.settings;
    const recent = await readRecent(this.#deps, this.#ref, Math.min(cacheMessageLimit, contextMessages));
    const start = recent.messages.findIndex((json) => seqOfMessage(json) === this.#questionSeq);
    if (start === -1) return [];
    const messages = recent.messages.slice(start);
    this.#fetched = messages.length;
    this.#hasMore = recent.hasMore;
    return messages;
  }

  /** As many again as there are, so that what is read in vain is bounded by what was of use. */
  async #fetch(beforeSeq: number): Promise<readonly MessageJson[]> {
    const wanted = Math.min(Math.max(this.#fetched, PAGE_MIN), PAGE_MAX);
    const limit = Math.min(wanted, this.#deps.settings.contextMessages - this.#fetched);
    this.#window = await this.#list({ beforeSeq, limit });
    const { messages } = this.#window;
    if (this.#fetched === 0 && messages[0]?.seq !== this.#questionSeq) {
      throw new BackscrollError("message_not_found", "the message to answer was deleted");
    }
    this.#fetched += messages.length;
    this.#hasMore = messages.length === limit;
    return messages.map(({ json }) => json);
  }

  async #list(bounds: { beforeSeq: number; limit: number }): Promise<MessageWindow> {
    const window = await listNewestMessages(this.#deps.db, this.#ref, { afterSeq: 0, fields: FIELDS, ...bounds });
    if (!window) throw conversationNotFound();
    return window;
  }
}
