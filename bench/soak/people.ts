import { randomUUID } from "node:crypto";
import { zipf } from "../zipf.ts";
import { call, open, readReply } from "./caller.ts";
import { REPLY } from "./agent.ts";

/** A conversation, and what the service has acknowledged of it. */
interface Conversation {
  readonly nth: number;
  readonly id: string;
  readonly token: string;
  /** ids of its messages, in their order */
  readonly messages: string[];
  /** requests under way that read it */
  readers: number;
  /** somebody writes in it: one writer at a time, so that the order is known */
  isWrittenIn: boolean;
  /** false: a write failed, and may have happened or not */
  isCertain: boolean;
  /** grows with every write */
  writes: number;
}

export type Operation =
  | "recent messages"
  | "save"
  | "page"
  | "list"
  | "turn"
  | "turn, first text"
  | "make"
  | "erase"
  | "rename";

export interface PeopleOptions {
  readonly url: string;
  /** one a person */
  readonly tokens: readonly string[];
  readonly conversations: number;
  /** Told how long a request took. */
  readonly onTime: (operation: Operation, ms: number) => void;
  /** Told of a read that was not what had been acknowledged. */
  readonly onWrong: (kind: string) => void;
}

/** A longer one is erased, and another one begun. They begin with any length up to it: what there is stays as large as it is. */
const MESSAGES_MAX = 180;
/** of the API */
const POSTED_MAX = 100;
const LIMIT = 20;
/** Of reads that go to any conversation alike: most of those are not in the cache. */
const COLD_SHARE = 0.03;
const CONTENT =
  "Could you tell me what the weather will be like in Bergen next week? We leave on Monday, there are four of us, " +
  "and one of us does not like rain at all. What should we pack, and is there a train?";
/** Of a hundred requests. */
const MIX: readonly (readonly [
  share: number,
  name: keyof Pick<People, "read" | "save" | "page" | "list" | "turn" | "rename">,
])[] = [
  [72, "read"],
  [14, "save"],
  [6, "page"],
  [5, "list"],
  [2, "turn"],
  [1, "rename"],
];

/** Everybody who chats in a soak: what they ask for next, and what they have been promised. */
export class People {
  readonly #options: PeopleOptions;
  readonly #conversations: Conversation[] = [];
  readonly #pick: () => number;
  /** those that grew too long, until nobody reads them */
  readonly #retired: Conversation[] = [];

  constructor(options: PeopleOptions) {
    this.#options = options;
    this.#pick = zipf(options.conversations);
  }

  /** Makes the conversations, with the messages that some time would have brought. */
  async begin(): Promise<void> {
    const { conversations, tokens } = this.#options;
    const makeEach = async (first: number, step: number): Promise<void> => {
      for (let nth = first; nth < conversations; nth += step) {
        const conversation = await this.#make(nth, tokens[nth % tokens.length] ?? "");
        for (let left = 1 + Math.floor(Math.random() * MESSAGES_MAX); left > 0; left -= POSTED_MAX) {
          await this.#post(
            conversation,
            Array.from({ length: Math.min(left, POSTED_MAX) }, () => randomUUID()),
          );
        }
        this.#conversations[nth] = conversation;
      }
    };
    await Promise.all(Array.from({ length: MAKERS }, (_, maker) => makeEach(maker, MAKERS)));
  }

  /**
   * Does one of what people do, as often as they do it.
   *
   * @param dueAt when it was to begin: it may be late, and whoever waits does not wait less for that
   */
  next(dueAt: number): { isTurn: boolean; done: Promise<void> } {
    let left = Math.random() * 100;
    const [, name] = MIX.find(([share]) => (left -= share) < 0) ?? MIX[0] ?? [0, "read"];
    return { isTurn: name === "turn", done: this[name](dueAt) };
  }

  async read(dueAt: number): Promise<void> {
    const { url, onWrong } = this.#options;
    const conversation = this.#any(Math.random() < COLD_SHARE);
    const { writes, isWrittenIn, token, id } = conversation;
    const path = `/api/conversations/${id}/messages?limit=${LIMIT}`;
    const text = await this.#reading(conversation, () =>
      this.#timed("recent messages", dueAt, () => call(url, { method: "GET", path, token })),
    );
    // Meanwhile written in, it may show either.
    if (isWrittenIn || conversation.isWrittenIn || conversation.writes !== writes || !conversation.isCertain) return;
    const shown = (JSON.parse(text) as { messages: { id: string }[] }).messages.map((message) => message.id);
    if (shown.toReversed().join() !== conversation.messages.slice(-LIMIT).join()) {
      onWrong("a read that is not what was acknowledged");
    }
  }

  async save(dueAt: number): Promise<void> {
    await this.#write(async (conversation) => {
      if (conversation.messages.length >= MESSAGES_MAX) {
        await this.#timed("make", dueAt, () => this.#replace(conversation));
      } else await this.#timed("save", dueAt, () => this.#post(conversation, [randomUUID()]));
    });
    const unread = this.#retired.findIndex(({ readers }) => readers === 0);
    const [old] = unread === -1 ? [] : this.#retired.splice(unread, 1);
    if (!old) return;
    const path = `/api/conversations/${old.id}?permanent=true`;
    const { url } = this.#options;
    await this.#timed("erase", performance.now(), () => call(url, { method: "DELETE", path, token: old.token }));
  }

  async turn(dueAt: number): Promise<void> {
    const { url, onTime, onWrong } = this.#options;
    await this.#write(async (conversation) => {
      const messageId = randomUUID();
      const body = { conversation_id: conversation.id, message: "And then?", message_id: messageId, stream: true };
      const what = { method: "POST", path: "/api/conversations/messages", token: conversation.token, body } as const;
      const reply = await this.#timed("turn", dueAt, async () =>
        readReply(await open(url, what), () => onTime("turn, first text", performance.now() - dueAt)),
      );
      if (reply.text !== REPLY) onWrong("a reply that is not what the agent said");
      conversation.messages.push(messageId, reply.id);
    });
  }

  async page(dueAt: number): Promise<void> {
    const conversation = this.#any(false);
    const path = `/api/conversations/${conversation.id}/messages?page=1&page_size=50`;
    const what = { method: "GET", path, token: conversation.token } as const;
    await this.#reading(conversation, () => this.#timed("page", dueAt, () => call(this.#options.url, what)));
  }

  async list(dueAt: number): Promise<void> {
    const { token } = this.#any(false);
    await this.#timed("list", dueAt, () =>
      call(this.#options.url, { method: "GET", path: "/api/conversations?limit=30", token }),
    );
  }

  async rename(dueAt: number): Promise<void> {
    await this.#write(async ({ id, token }) => {
      const body = { title: `Renamed ${Math.floor(Math.random() * 1_000)}` };
      const what = { method: "PATCH", path: `/api/conversations/${id}`, token, body } as const;
      await this.#timed("rename", dueAt, () => call(this.#options.url, what));
    });
  }

  /** Reads every conversation whole. @returns how many messages were acknowledged, and what is not so */
  async verify(): Promise<{ conversations: number; messages: number; wrong: readonly string[] }> {
    const wrong: string[] = [];
    let messages = 0;
    for (const { id, token, messages: acknowledged, isCertain } of this.#conversations) {
      const path = `/api/conversations/${id}/messages?page=1&page_size=200`;
      const page = JSON.parse(await call(this.#options.url, { method: "GET", path, token })) as {
        messages: { id: string; seq: number }[];
      };
      const stored = page.messages.map((message) => message.id);
      messages += acknowledged.length;
      // What failed may be there: then only what was acknowledged has to be, in its order.
      const known = isCertain ? stored : stored.filter((each) => acknowledged.includes(each));
      if (known.join() !== acknowledged.join()) {
        wrong.push(`${acknowledged.length} messages acknowledged, ${stored.length} there, or in another order`);
      }
      if (page.messages.some(({ seq }, index) => seq !== index + 1)) wrong.push("a gap in seq");
    }
    return { conversations: this.#conversations.length, messages, wrong };
  }

  #any(isCold: boolean): Conversation {
    const nth = isCold ? Math.floor(Math.random() * this.#conversations.length) : this.#pick();
    const found = this.#conversations[nth];
    if (!found) throw new Error("there are no conversations yet");
    return found;
  }

  async #write(work: (conversation: Conversation) => Promise<void>): Promise<void> {
    let conversation = this.#any(false);
    while (conversation.isWrittenIn) conversation = this.#any(true);
    conversation.isWrittenIn = true;
    try {
      await work(conversation);
    } catch (error) {
      conversation.isCertain = false;
      throw error;
    } finally {
      conversation.writes += 1;
      conversation.isWrittenIn = false;
    }
  }

  async #post(conversation: Conversation, ids: readonly string[]): Promise<void> {
    const messages = ids.map((id, nth) => ({ id, role: nth % 2 === 0 ? "user" : "assistant", content: CONTENT }));
    const path = `/api/conversations/${conversation.id}/messages`;
    await call(this.#options.url, { method: "POST", path, token: conversation.token, body: { messages } });
    conversation.messages.push(...ids);
  }

  /** Begins another one in its place; it goes when nobody reads it any more. */
  async #replace(conversation: Conversation): Promise<void> {
    const made = await this.#make(conversation.nth, conversation.token);
    await this.#post(made, [randomUUID()]);
    this.#conversations[conversation.nth] = made;
    this.#retired.push(conversation);
  }

  async #make(nth: number, token: string): Promise<Conversation> {
    const what = { method: "POST", path: "/api/conversations", token, body: { title: "A soak" } } as const;
    const { conversation_id: id } = JSON.parse(await call(this.#options.url, what)) as { conversation_id: string };
    return { nth, id, token, messages: [], readers: 0, isWrittenIn: false, isCertain: true, writes: 0 };
  }

  async #reading<Result>(conversation: Conversation, work: () => Promise<Result>): Promise<Result> {
    conversation.readers += 1;
    try {
      return await work();
    } finally {
      conversation.readers -= 1;
    }
  }

  async #timed<Result>(operation: Operation, since: number, work: () => Promise<Result>): Promise<Result> {
    const result = await work();
    this.#options.onTime(operation, performance.now() - since);
    return result;
  }
}

const MAKERS = 8;
