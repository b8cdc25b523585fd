import { type ConversationOfRun, nameOf } from "./true-history.ts";

/** From when to when something was asked for and answered. */
interface Asked {
  /** the server's name */
  readonly server: string;
  readonly conversation: string;
  readonly begin: number;
  readonly end: number;
  /** the same by the machine's clock, which PostgreSQL shares */
  readonly clockBegin: number;
  readonly clockEnd: number;
  /** which step of which client */
  readonly label: string;
}

/** A read that was answered. */
export interface Read extends Asked {
  /** `recent` may come from the cache */
  readonly kind: "recent" | "strong" | "page";
  readonly limit: number;
  /** null: there is no such conversation */
  readonly answer: { readonly messages: readonly string[]; readonly hasMore: boolean } | null;
  readonly source: string | null;
}

/** What an answer says has happened to a conversation. */
export type Fact =
  | { readonly shows: string }
  | { readonly contains: string }
  | { readonly lacks: string }
  | { readonly became: "created" | "trashed" | "restored" | "erased" };

/** A change that a server acknowledged. */
export interface Acknowledgement extends Asked {
  readonly fact: Fact;
}

/** An answer that no caller should get. */
export interface Failure extends Asked {
  readonly status: number;
  readonly body: string;
}

/** All that the clients saw, in the order in which they saw it. */
export class Observations {
  readonly reads: Read[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  readonly failures: Failure[] = [];
  readonly #startedAt = performance.now();
  readonly #story: { readonly at: number; readonly conversation: string | null; readonly text: string }[] = [];

  /** Notes something for people; without a conversation, about all. */
  tell(text: string, conversation: ConversationOfRun | null = null): void {
    this.#story.push({ at: performance.now(), conversation: conversation && nameOf(conversation), text });
  }

  /** @returns a line for everything that was told of this conversation, or of all, until this time */
  storyOf(conversation: string, until: number): readonly string[] {
    return this.#story
      .filter((line) => line.at <= until && (line.conversation === null || line.conversation === conversation))
      .map(({ at, text }) => `${(at - this.#startedAt).toFixed(1).padStart(8)} ${text}`);
  }
}
