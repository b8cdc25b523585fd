import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { BenchError } from "./bench-error.ts";
import { type Answer, codeOf, type Question, type Target } from "./target.ts";

export interface BenchConversation {
  readonly id: string;
  /** whose it is; undefined: whoever the credentials name */
  readonly user: string | undefined;
}

/** Enough for a page of 50, and for the cache not to hold all of it. */
const MESSAGES = 60;
const WORDS =
  "the history of every conversation is kept where nothing is lost and found again when somebody asks for it ";

/** What this run makes, and takes away again. */
export class BenchConversations {
  readonly #target: Target;
  readonly #run = randomUUID().slice(0, 8);
  readonly #users: readonly (string | undefined)[];
  readonly #made: BenchConversation[] = [];

  /** @param users 1: the conversations are of whoever the credentials name; more: of users that are made for it */
  constructor(target: Target, users: number) {
    this.#target = target;
    this.#users =
      users === 1 ? [undefined] : Array.from({ length: users }, (_, n) => `bench-${this.#run}-${n}@backscroll.invalid`);
  }

  /** what the ids of everything that is made begin with */
  get prefix(): string {
    return `bench-${this.#run}-`;
  }

  /** Makes a conversation with 60 messages that nobody has read: no cache holds it. */
  async open(): Promise<BenchConversation> {
    const n = this.#made.length;
    const made = { id: `${this.prefix}${n}`, user: this.#users[n % this.#users.length] };
    // Before it is asked for: it may be there although the answer was lost.
    this.#made.push(made);
    const { user } = made;
    await this.#expect({ method: "POST", path: "/api/conversations", user, body: { id: made.id, title: "Load test" } });
    const messages = Array.from({ length: MESSAGES }, (_, index) => message(index % 2 === 0 ? "user" : "assistant"));
    await this.#expect({ method: "POST", path: `/api/conversations/${made.id}/messages`, user, body: { messages } });
    return made;
  }

  async #expect(question: Question): Promise<void> {
    const answer = await this.#target.ask(question);
    if (answer.status >= 300) throw refusal(answer, `${question.method} ${question.path.replace(/bench-[^/]*/, "…")}`);
  }

  /**
   * Removes all of it for good, as many at a time as there are senders.
   *
   * @param onDone told how many are gone
   * @returns why some are still there; empty: none are
   */
  async remove(senders: number, onDone: (done: number, total: number) => void): Promise<readonly string[]> {
    // Who was made for this leaves as a whole.
    const [first] = this.#users;
    const questions = (first === undefined ? this.#made : this.#users.slice(0, this.#made.length)).map(
      (each): Question =>
        typeof each === "object"
          ? { method: "DELETE", path: `/api/conversations/${each.id}?permanent=true`, user: each.user }
          : { method: "DELETE", path: "/api/me", user: each },
    );
    const faults = new Set<string>();
    let [next, done] = [0, 0];
    const work = async (): Promise<void> => {
      for (let question = questions[next++]; question; question = questions[next++]) {
        await this.#removeOne(question).catch((error: unknown) => faults.add(String(error)));
        onDone((done += 1), questions.length);
      }
    };
    await Promise.all(Array.from({ length: senders }, work));
    return [...faults];
  }

  async #removeOne(question: Question): Promise<void> {
    for (;;) {
      const answer = await this.#target.ask(question);
      // 404: it was never made.
      if (answer.status < 300 || answer.status === 404) return;
      if (answer.status !== 429) throw new Error(`removing was answered with ${codeOf(answer)}`);
      await pause(1_000 * Number(answer.headers["retry-after"] ?? 1));
    }
  }
}

/** @returns a message of some 300 characters, as one that is saved */
export function message(role: "user" | "assistant"): Readonly<Record<string, unknown>> {
  return { role, content: WORDS.repeat(3), ...(role === "assistant" && { tokens_used: 60 }) };
}

/** @returns what to tell of an answer that ends the run */
export function refusal(answer: Answer, what: string): BenchError {
  const code = codeOf(answer);
  if (answer.status === 429) {
    const policy = String(answer.headers["ratelimit-policy"] ?? "").replaceAll('"', "");
    return new BenchError(
      `the service limits requests${policy === "" ? "" : ` (RateLimit-Policy: ${policy})`}: what it refuses is not measured. ` +
        "Start it with RATE_LIMITS=off for the test, raise RATE_LIMIT_READS, RATE_LIMIT_WRITES and those of addresses, " +
        "or use an admin key and --users",
    );
  }
  if (answer.status === 401)
    return new BenchError("the service wants credentials: --key or --token (BACKSCROLL_KEY, BACKSCROLL_TOKEN)");
  return new BenchError(`${what} was answered with ${code}`);
}
