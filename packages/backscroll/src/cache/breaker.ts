import { withDeadline } from "./deadline.ts";

/** Failures in a row after which a server is left alone. */
const FAILURES_TO_OPEN = 3;
const PROBE_MS_MIN = 50;
const PROBE_MS_MAX = 1_000;

/**
 * A circuit breaker: after a few failures in a row nothing is sent any more, and one probe at a time finds out when
 * the server is back. No caller waits for a probe.
 */
export class Breaker {
  readonly #probe: () => Promise<void>;
  readonly #deadlineMs: number;
  readonly #onChange: (open: boolean) => void;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #open = false;
  #closed = false;

  constructor(probe: () => Promise<void>, deadlineMs: number, onChange: (open: boolean) => void) {
    this.#probe = probe;
    this.#deadlineMs = deadlineMs;
    this.#onChange = onChange;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#failures >= FAILURES_TO_OPEN) this.open();
  }

  open(): void {
    if (this.#open || this.#closed) return;
    this.#open = true;
    this.#onChange(true);
    this.#probeIn(PROBE_MS_MIN);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #probeIn(ms: number): void {
    this.#timer = setTimeout(() => void this.#tryProbe(Math.min(ms * 2, PROBE_MS_MAX)), ms).unref();
  }

  async #tryProbe(nextMs: number): Promise<void> {
    try {
      await withDeadline(this.#probe(), this.#deadlineMs);
    } catch {
      if (!this.#closed) this.#probeIn(nextMs);
      return;
    }
    this.#failures = 0;
    this.#open = false;
    if (!this.#closed) this.#onChange(false);
  }
}
