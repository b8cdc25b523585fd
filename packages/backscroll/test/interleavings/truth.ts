import type { Snapshot } from "../../src/cache/conversation-cache.ts";
import type { MessageJson } from "../../src/domain/message.ts";

/** What PostgreSQL says of the conversation after one COMMIT. */
interface State {
  /** grows by one with every change, and by more when the conversation is made again */
  readonly version: number;
  /** newest first; those of a conversation in the trash are still there */
  readonly messages: readonly MessageJson[];
  readonly is: "there" | "in the trash" | "erased";
}

/** Far more than anybody changes: a conversation made again never meets its predecessor's versions. */
const VERSIONS_APART = 100;

/** One conversation as PostgreSQL keeps it, and every state it ever had. Each operation is one transaction. */
export class Truth {
  readonly #states: State[] = [{ version: 0, messages: [], is: "there" }];
  #written = 0;

  /** index of the state that is committed now */
  get latest(): number {
    return this.#states.length - 1;
  }

  /** @returns the version before, and the messages added; null when there is no such conversation */
  append(count: number): { versionBefore: number; version: number; messages: MessageJson[] } | null {
    const { version, messages, is } = this.#now;
    if (is !== "there") return null;
    const added = Array.from({ length: count }, () => toJson(`message ${(this.#written += 1)}`));
    this.#states.push({ version: version + 1, messages: [...added.toReversed(), ...messages], is });
    return { versionBefore: version, version: version + 1, messages: added };
  }

  /** Another text for the newest message. */
  edit(): boolean {
    return this.#change("there", ({ version, messages: [newest, ...older] }) => ({
      version: version + 1,
      messages: newest === undefined ? [] : [toJson(`${newest.slice(1, -1)} edited`), ...older],
      is: "there",
    }));
  }

  trash(): boolean {
    return this.#change("there", ({ version, messages }) => ({ version: version + 1, messages, is: "in the trash" }));
  }

  restore(): boolean {
    return this.#change("in the trash", ({ version, messages }) => ({ version: version + 1, messages, is: "there" }));
  }

  erase(): boolean {
    return this.#change(null, ({ version }) => ({ version, messages: [], is: "erased" }));
  }

  create(): boolean {
    return this.#change("erased", ({ version }) => ({ version: version + VERSIONS_APART, messages: [], is: "there" }));
  }

  /** One statement: version and messages of one moment. */
  load(length: number): Snapshot | null {
    const { version, messages, is } = this.#now;
    if (is !== "there") return null;
    const newest = messages.slice(0, length);
    return { version, messages: newest, whole: newest.length === messages.length, idleMs: 0 };
  }

  findVersion(): number | null {
    return this.#now.is === "there" ? this.#now.version : null;
  }

  /** @returns what reading the newest `limit` messages of that state shows */
  show(index: number, limit: number): string {
    const state = this.#states[index];
    if (state?.is !== "there") return show(null);
    return show({ messages: state.messages.slice(0, limit), hasMore: state.messages.length > limit });
  }

  get #now(): State {
    const state = this.#states.at(-1);
    if (!state) throw new Error("no state");
    return state;
  }

  #change(needed: State["is"] | null, change: (now: State) => State): boolean {
    if (this.#now.is === "erased" ? needed !== "erased" : needed !== null && this.#now.is !== needed) return false;
    this.#states.push(change(this.#now));
    return true;
  }
}

/** @returns an answer as one text, to be compared and shown */
export function show(found: { messages: readonly (Uint8Array | string)[]; hasMore: boolean } | null): string {
  if (!found) return "no such conversation";
  const texts = found.messages.map((message) =>
    typeof message === "string" ? message : Buffer.from(message).toString(),
  );
  return `[${texts.join(", ")}]${found.hasMore ? " and more" : ""}`;
}

function toJson(text: string): MessageJson {
  return JSON.stringify(text) as MessageJson;
}
