import { unreadableAnswer } from "./errors.ts";
import type { ReadEvent } from "./read-reply.ts";
import type { ReplyEvent, ReplyNames, StreamedReply } from "./reply-events.ts";

/**
 * A reply while it is written. It is read from the start, whether anybody looks or not; a loop over it begins at its
 * beginning whenever it is started. Leaving a loop early stops the reading, as the signal does. Neither stops the reply
 * itself, which belongs to the service: `stopReply` does.
 *
 * A reply that fails ends the loop and rejects the promises with a `BackscrollApiError`: responder_failed,
 * responder_rate_limited, responder_timeout, responder_refused, reply_interrupted. Its `status` is 200, that of the
 * answer that tells of it. A connection that no retry brought back is a `BackscrollConnectionError`.
 */
export interface ReplyStream extends AsyncIterable<ReplyEvent, void, undefined> {
  /** Resolves once the user's message is stored and the reply has begun. */
  started(): Promise<ReplyNames>;
  /** Resolves with the reply as it was stored: whole, or stopped by its user. */
  finished(): Promise<StreamedReply>;
  /** Resolves with its text. */
  finalText(): Promise<string>;
}

/** One reply's events, for any number of loops. */
export class KeptReplyStream implements ReplyStream {
  /** resolves with null when there is no reply */
  readonly begun: Promise<ReplyNames | null>;
  readonly #events: ReadEvent[] = [];
  readonly #ended = settleable<StreamedReply>();
  readonly #stopReading: () => void;
  #grown = settleable<void>();
  #isOver = false;

  /** @param stopReading makes the events reject with why; `release` is called when there are no more */
  constructor(
    events: AsyncIterable<ReadEvent>,
    { stopReading, release }: { readonly stopReading: () => void; readonly release: () => void },
  ) {
    this.#stopReading = stopReading;
    const begun = settleable<ReplyNames | null>();
    this.begun = begun.promise;
    void this.#keep(events, begun).finally(release);
  }

  async started(): Promise<ReplyNames> {
    const names = await this.begun;
    if (names === null) throw new TypeError("there is no reply");
    return names;
  }

  async finished(): Promise<StreamedReply> {
    return this.#ended.promise;
  }

  async finalText(): Promise<string> {
    return (await this.#ended.promise).content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReplyEvent, void, undefined> {
    let snapshot = "";
    try {
      for (let next = 0; ;) {
        const event = this.#events[next];
        if (event) {
          next += 1;
          if (event.type === "restart") snapshot = "";
          if (event.type === "text") snapshot += event.delta;
          yield event.type === "text" ? { ...event, snapshot } : event;
        } else if (this.#isOver) {
          await this.#ended.promise;
          return;
        } else await this.#grown.promise;
      }
    } finally {
      if (!this.#isOver) this.#stopReading();
    }
  }

  async #keep(events: AsyncIterable<ReadEvent>, begun: Settleable<ReplyNames | null>): Promise<void> {
    try {
      for await (const event of events) {
        this.#events.push(event);
        if (event.type === "start") begun.resolve(event);
        if (event.type === "end") {
          this.#isOver = true;
          this.#ended.resolve(event.reply);
        }
        this.#wake();
      }
      begun.resolve(null);
      if (!this.#isOver) throw unreadableAnswer("no reply is streamed");
    } catch (error) {
      this.#isOver = true;
      begun.reject(error);
      this.#ended.reject(error);
      this.#wake();
    }
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = settleable();
  }
}

interface Settleable<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/** A rejection that nobody waits for is not an unhandled one: there are other ways to hear of it. */
function settleable<Value>(): Settleable<Value> {
  // Not Promise.withResolvers: Node 20 and older browsers do not have it.
  let resolve!: (value: Value) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
