import type { ThreadStore } from "./thread-store.ts";

/** Shows a reply that grows: at most once a frame, however fast it comes. */
export class ReplyPainter {
  readonly #thread: ThreadStore;
  #replyId: string | null = null;
  #text = "";
  #frame = 0;

  constructor(thread: ThreadStore) {
    this.#thread = thread;
  }

  /** A reply begins, or begins again: what was shown of it is void. */
  begin(replyId: string): void {
    if (this.#replyId !== null && this.#replyId !== replyId) this.forget();
    this.#replyId = replyId;
    this.#text = "";
    this.#show();
  }

  /** @param text all of it so far */
  paint(text: string): void {
    this.#text = text;
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#show());
  }

  end(text: string): void {
    this.#text = text;
    this.#show();
  }

  /** It came to nothing, or is not looked at any more. */
  forget(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#replyId !== null && this.#thread.message(this.#replyId)?.state === "writing") {
      this.#thread.remove(this.#replyId);
    }
    this.#replyId = null;
  }

  #show(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#replyId !== null) this.#thread.setReplyText(this.#replyId, this.#text);
  }
}
