import type { BackscrollError } from "../domain/errors.ts";
import type { MessageJson } from "../domain/message.ts";
import type { ReplyChunk, ReplyPosition, ReplySoFar, ToolChunk } from "../domain/reply.ts";

/** How a reply ended. */
export type ReplyEnding =
  /** it is stored: whole, or stopped by its user */
  | { readonly type: "saved"; readonly message: MessageJson }
  /** its user stopped it before it said anything: the reply that it would have replaced stays */
  | { readonly type: "stopped" }
  /** it failed, or was interrupted; what was written is stored, unless that would replace a better reply */
  | { readonly type: "failed"; readonly error: BackscrollError };

/** Text that comes faster than this is joined: a follower is not woken for every token. */
const COALESCE_MS = 50;

/**
 * One reply being written, in this process: everything said so far, for any number of followers. Each reads at its own
 * pace from a list that all share, so a slow one holds back nobody and costs no memory of its own.
 */
export class ReplyLog {
  readonly messageId: string;
  /** how it ended, once it has; never rejects */
  readonly ended: Promise<ReplyEnding>;
  readonly #chunks: ReplyChunk[] = [];
  readonly #tools: { at: number; chunk: ToolChunk }[] = [];
  readonly #onFlush: (chunks: readonly ReplyChunk[], from: ReplyPosition) => void;
  #text = "";
  /** text not shown to anybody yet; the end of `#text` */
  #pending = "";
  #timer: NodeJS.Timeout | undefined;
  /** wakes each follower that waits */
  readonly #waiting = new Set<() => void>();
  #ending: ReplyEnding | undefined;
  #resolveEnded: (ending: ReplyEnding) => void;

  /** @param onFlush told of every chunk that followers may see, and how much was said before it */
  constructor(
    messageId: string,
    onFlush: (chunks: readonly ReplyChunk[], from: ReplyPosition) => void = () => undefined,
  ) {
    this.messageId = messageId;
    this.#onFlush = onFlush;
    const { promise, resolve } = Promise.withResolvers<ReplyEnding>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  /** what was said, shown or not; it does not grow with the reply */
  get soFar(): ReplySoFar {
    return { text: this.#text, tools: [...this.#tools] };
  }

  get position(): ReplyPosition {
    return { chars: this.#text.length, tools: this.#tools.length };
  }

  add(chunk: ReplyChunk): void {
    if (chunk.type !== "text") {
      this.#flush(chunk);
      this.#tools.push({ at: this.#text.length, chunk });
      return;
    }
    if (chunk.text === "") return;
    this.#text += chunk.text;
    this.#pending += chunk.text;
    if (this.#timer !== undefined) return;
    // The first is shown at once; what comes shortly after waits for the timer.
    this.#flush();
    this.#timer = setTimeout(() => this.#onTimer(), COALESCE_MS).unref();
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#pending === "") return;
    this.#flush();
    this.#timer = setTimeout(() => this.#onTimer(), COALESCE_MS).unref();
  }

  #flush(tool?: ToolChunk): void {
    const from = { chars: this.#text.length - this.#pending.length, tools: this.#tools.length };
    const chunks: ReplyChunk[] = this.#pending === "" ? [] : [{ type: "text", text: this.#pending }];
    this.#pending = "";
    if (tool) chunks.push(tool);
    if (chunks.length === 0) return;
    this.#chunks.push(...chunks);
    this.#onFlush(chunks, from);
    this.#wake();
  }

  /** Nothing is added afterwards. The first ending counts. */
  end(ending: ReplyEnding): void {
    if (this.#ending) return;
    clearTimeout(this.#timer);
    this.#flush();
    this.#ending = ending;
    this.#resolveEnded(ending);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Replays the reply from its beginning and follows it to its end. Ends early, without throwing, with the signal. */
  async *follow(signal?: AbortSignal): AsyncGenerator<ReplyChunk, void, undefined> {
    for await (const waiting of this.followWaiting(signal)) {
      for (const chunk of waiting) {
        if (signal?.aborted === true) return;
        yield chunk;
      }
    }
  }

  /** The same for who wants all that waits at once: at least one chunk each time. */
  async *followWaiting(signal?: AbortSignal): AsyncGenerator<readonly ReplyChunk[], void, undefined> {
    // Not a race with a promise that lives as long as the reply: each would stay there until its end.
    let wake: (() => void) | undefined;
    const onWake = (): void => wake?.();
    this.#waiting.add(onWake);
    signal?.addEventListener("abort", onWake);
    try {
      for (let next = 0; ;) {
        if (signal?.aborted === true) return;
        const waiting = this.#chunks.slice(next);
        next += waiting.length;
        if (waiting.length > 0) yield waiting;
        else if (this.#ending) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#waiting.delete(onWake);
      signal?.removeEventListener("abort", onWake);
    }
  }
}
