import type { RedisLink } from "../../src/cache/redis/redis-link.ts";

const NAMES = ["messages", "version", "lease"] as const;
export type KeyName = (typeof NAMES)[number];

const DUMP = `return redis.call("DUMP", KEYS[1])`;

/** The keys of one conversation, for what happens to Redis. */
export class ConversationKeys {
  readonly #link: RedisLink;
  readonly #name: (key: KeyName) => string;
  #saved: readonly (Buffer | null)[] | null = null;

  /** @param of what their names begin with */
  constructor(link: RedisLink, of: string) {
    this.#link = link;
    this.#name = (key) => `${of}:${key}`;
  }

  get isSaved(): boolean {
    return this.#saved !== null;
  }

  async lose(keys: readonly KeyName[] = NAMES): Promise<void> {
    await this.#link.send("", ["DEL", ...keys.map(this.#name)]);
  }

  async save(): Promise<void> {
    const dump = (key: KeyName): Promise<unknown> => this.#link.send("", ["EVAL", DUMP, "1", this.#name(key)]);
    this.#saved = (await Promise.all(NAMES.map(dump))) as (Buffer | null)[];
  }

  /** All of them are as they were. */
  async restore(): Promise<void> {
    const restore = (key: KeyName, index: number): Promise<unknown> => {
      const [name, value] = [this.#name(key), this.#saved?.[index]];
      return this.#link.send("", value ? ["RESTORE", name, "0", value, "REPLACE"] : ["DEL", name]);
    };
    await Promise.all(NAMES.map(restore));
  }

  async read(): Promise<{ messages: readonly string[]; version: number | null }> {
    const [messages, version] = (await Promise.all([
      this.#link.send("", ["LRANGE", this.#name("messages"), "0", "-1"]),
      this.#link.send("", ["GET", this.#name("version")]),
    ])) as [Buffer[], Buffer | null];
    return { messages: messages.map(String), version: version === null ? null : Number(version.toString()) };
  }
}
