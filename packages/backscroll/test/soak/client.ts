import type { Fact, Observations } from "./observations.ts";
import { SERVERS, type Step } from "./program.ts";
import type { Answer, Server } from "./server.ts";
import { type ConversationOfRun, nameOf } from "./true-history.ts";

/** What a client works with. */
export interface Stage {
  /** @returns who is at this place now */
  server(place: number): Server;
  readonly conversations: readonly ConversationOfRun[];
  readonly observations: Observations;
  /** told after each answer */
  answered(server: Server, askedAt: number): Promise<void>;
}

/** A message this client has saved and was told so. */
interface Own {
  readonly id: string;
  readonly content: string;
  /** the only or first one of its save: the others are for deleting, so that a replay stores nothing anew */
  readonly first: boolean;
}

interface Change {
  readonly conversation: ConversationOfRun;
  readonly label: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** @returns what the answer says; null: nothing */
  fact(answer: Answer): Fact | null;
}

const TRIES = 4;
/** Of every limit; a conversation has fewer messages than that. */
const PAGE_SIZE = 200;

/** One person at work: a step after the other. What gets no answer is tried again on the next server, as the same. */
export class Client {
  readonly #stage: Stage;
  readonly #name: string;
  readonly #own = new Map<string, Own[]>();

  constructor(stage: Stage, name: string) {
    this.#stage = stage;
    this.#name = name;
  }

  async take(step: Step, nth: number): Promise<void> {
    const { conversations } = this.#stage;
    const conversation = conversations[step.conversation % conversations.length] as ConversationOfRun;
    const label = `${this.#name}${nth}`;
    const racing = step.race && !step.kind.startsWith("read") ? this.#readEverywhere(conversation, label) : undefined;
    await this.#take(step, conversation, label);
    await racing;
  }

  async #take(step: Step, conversation: ConversationOfRun, label: string): Promise<void> {
    const own = this.#own.get(nameOf(conversation)) ?? [];
    this.#own.set(nameOf(conversation), own);
    switch (step.kind) {
      case "read":
        await this.read(step.server, conversation, { kind: "recent", limit: step.limit, label });
        return;
      case "readStrong":
        await this.read(step.server, conversation, { kind: "strong", limit: step.limit, label });
        return;
      case "readPage":
        await this.read(step.server, conversation, { kind: "page", limit: PAGE_SIZE, label });
        return;
      case "append":
        return this.append(step.server, conversation, label, 1);
      case "appendMany":
        return this.append(step.server, conversation, label, step.messages);
      case "replay": {
        const message = pick(
          own.filter(({ first }) => first),
          step.nth,
        );
        if (message) await this.#save(step.server, conversation, label, [message]);
        return;
      }
      case "turn":
        return this.#turn(step.server, conversation, label);
      case "edit": {
        const message = pick(own, step.nth);
        if (message) await this.#edit(step.server, conversation, label, message);
        return;
      }
      case "delete": {
        const message = pick(
          own.filter(({ first }) => !first),
          step.nth,
        );
        if (message) await this.#delete(step.server, conversation, label, message);
        return;
      }
      case "trashAndRestore":
        return this.#trashAndRestore(step, conversation, label);
      case "eraseAndCreate":
        return this.#eraseAndCreate(step, conversation, label);
      case "import":
        return this.#import(step.server, conversation, label, step.messages);
    }
  }

  async create(place: number, conversation: ConversationOfRun, label: string): Promise<void> {
    const { id } = conversation;
    await this.#change(place, {
      conversation,
      label,
      method: "POST",
      path: "/api/conversations",
      body: { id },
      // 200: it was there already, and that says nothing new
      fact: ({ status }) => (status === 201 ? { became: "created" } : null),
    });
  }

  async append(place: number, conversation: ConversationOfRun, label: string, count: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, nth) => ({ id: `${label}.${nth}`, content: `${label} ${nth}` }));
    const saved = await this.#save(place, conversation, label, messages);
    if (saved) this.#keep(conversation, messages);
  }

  /** @returns where the answer came from; `gone`: there is no such conversation; null: there was no answer */
  async read(
    place: number,
    conversation: ConversationOfRun,
    { kind, limit, label }: { kind: "recent" | "strong" | "page"; limit: number; label: string },
  ): Promise<string | null> {
    const query =
      kind === "page" ? `page=1&page_size=${limit}` : `limit=${limit}${kind === "strong" ? "&consistency=strong" : ""}`;
    const got = await this.#ask(place, conversation, label, "GET", `${messagesOf(conversation)}?${query}`);
    if (got === null) return null;
    const { answer, asked } = got;
    const { observations } = this.#stage;
    observations.tell(`${label} read ${kind} ${limit}: ${answer.status} ${answer.source}`, conversation);
    const shown =
      answer.status === 404
        ? null
        : {
            messages: (answer.json.messages as unknown[]).map((message) => JSON.stringify(message)),
            hasMore: Boolean(answer.json.has_more),
          };
    observations.reads.push({ ...asked, kind, limit, answer: shown, source: answer.source });
    return shown === null ? "gone" : answer.source;
  }

  async #save(
    place: number,
    conversation: ConversationOfRun,
    label: string,
    messages: readonly { id: string; content: string }[],
  ): Promise<boolean> {
    const answer = await this.#change(place, {
      conversation,
      label,
      method: "POST",
      path: messagesOf(conversation),
      body: { messages: messages.map(({ id, content }) => ({ id, content, role: "user" })) },
      fact: ({ json }) => ({ shows: JSON.stringify(json.messages.at(-1)) }),
    });
    return answer?.status === 201 || answer?.status === 200;
  }

  async #turn(place: number, conversation: ConversationOfRun, label: string): Promise<void> {
    await this.#change(place, {
      conversation,
      label,
      method: "POST",
      path: "/api/conversations/messages",
      body: { message: `${label} 0`, message_id: `${label}.0`, conversation_id: conversation.id },
      fact: ({ json }) => ({ shows: JSON.stringify(json.assistant_message) }),
    });
  }

  async #edit(place: number, conversation: ConversationOfRun, label: string, { id }: Own): Promise<void> {
    await this.#change(place, {
      conversation,
      label,
      method: "PATCH",
      path: `${messagesOf(conversation)}/${id}`,
      body: { content: `edited by ${label}` },
      fact: ({ json }) => ({ shows: JSON.stringify(json) }),
    });
  }

  async #delete(place: number, conversation: ConversationOfRun, label: string, message: Own): Promise<void> {
    const { id } = message;
    const own = this.#own.get(nameOf(conversation)) ?? [];
    own.splice(own.indexOf(message), 1);
    await this.#change(place, {
      conversation,
      label,
      method: "DELETE",
      path: `${messagesOf(conversation)}/${id}`,
      fact: ({ status, json }) => (status === 200 || json.code === "message_not_found" ? { lacks: id } : null),
    });
  }

  async #trashAndRestore({ server, limit, nth }: Step, conversation: ConversationOfRun, label: string): Promise<void> {
    const path = `/api/conversations/${conversation.id}`;
    await this.#change(server, {
      conversation,
      label: `${label}t`,
      method: "DELETE",
      path,
      fact: ({ status }) => (status === 200 ? { became: "trashed" } : null),
    });
    await this.read(server, conversation, { kind: "recent", limit, label: `${label}u` });
    await this.#change(nth, {
      conversation,
      label: `${label}v`,
      method: "POST",
      path: `${path}/restore`,
      fact: ({ status }) => (status === 200 ? { became: "restored" } : null),
    });
    await this.read(nth, conversation, { kind: "recent", limit, label: `${label}w` });
  }

  async #eraseAndCreate(step: Step, conversation: ConversationOfRun, label: string): Promise<void> {
    const { server, limit, nth } = step;
    await this.#change(server, {
      conversation,
      label: `${label}e`,
      method: "DELETE",
      path: `/api/conversations/${conversation.id}?permanent=true`,
      fact: ({ status }) => (status === 200 ? { became: "erased" } : null),
    });
    await this.read(server, conversation, { kind: "recent", limit, label: `${label}f` });
    await this.create(nth, conversation, `${label}g`);
    await this.read(nth, conversation, { kind: "recent", limit, label: `${label}h` });
    await this.append(nth, conversation, `${label}i`, step.messages);
  }

  async #import(place: number, conversation: ConversationOfRun, label: string, count: number): Promise<void> {
    const created_at = "2025-01-01T00:00:00Z";
    const messages = Array.from({ length: count }, (_, nth) => ({
      id: `${label}.${nth}`,
      content: `${label} ${nth}`,
      role: "user",
      created_at,
    }));
    await this.#change(place, {
      conversation,
      label,
      method: "POST",
      path: "/api/import",
      body: {
        backscroll_export: 1,
        conversations: [{ conversation: { conversation_id: conversation.id, title: "t", created_at }, messages }],
      },
      fact: ({ json }) => (json.failed === 0 ? { contains: `${label}.${count - 1}` } : null),
    });
  }

  /** Tries until somebody answers. @returns null: nobody did, and nobody knows what came of it */
  async #change(place: number, change: Change): Promise<Answer | null> {
    const { conversation, label, method, path, body } = change;
    const { observations } = this.#stage;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const got = await this.#ask(place + tries, conversation, label, method, path, body);
      if (got === null) continue;
      const { answer, asked } = got;
      // A refusal says something only where the change says so.
      const fact = answer.status < 300 || method === "DELETE" ? change.fact(answer) : null;
      observations.tell(`${label} ${method} ${path}: ${answer.status} ${JSON.stringify(fact)}`, conversation);
      if (fact) {
        observations.acknowledgements.push({ ...asked, fact });
        await this.#readEverywhere(conversation, label);
      }
      return answer;
    }
    return null;
  }

  async #readEverywhere(conversation: ConversationOfRun, label: string): Promise<void> {
    const read = { kind: "recent", limit: 20, label: `${label}?` } as const;
    await Promise.all(Array.from({ length: SERVERS }, (_, place) => this.read(place, conversation, read)));
  }

  /** @returns null when there was no answer, or one that says nothing */
  async #ask(
    place: number,
    conversation: ConversationOfRun,
    label: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ answer: Answer; asked: Asked } | null> {
    const { observations } = this.#stage;
    const server = this.#stage.server(place);
    const [begin, clockBegin] = [performance.now(), Date.now()];
    observations.tell(`${label} asks ${server.name}: ${method} ${path}`, conversation);
    const answer = await server.call(conversation.user, method, path, body).catch((error: unknown) => String(error));
    const [end, clockEnd] = [performance.now(), Date.now()];
    if (typeof answer === "string") {
      observations.tell(`${label} got no answer of ${server.name}: ${answer}`, conversation);
      return null;
    }
    const asked = { server: server.name, conversation: nameOf(conversation), begin, end, clockBegin, clockEnd, label };
    await this.#stage.answered(server, begin);
    if (answer.status < 500) return { answer, asked };
    observations.tell(`${label} was answered ${answer.status} by ${server.name}`, conversation);
    observations.failures.push({ ...asked, status: answer.status, body: JSON.stringify(answer.json) });
    return null;
  }

  #keep(conversation: ConversationOfRun, messages: readonly { id: string; content: string }[]): void {
    const own = this.#own.get(nameOf(conversation)) ?? [];
    this.#own.set(nameOf(conversation), own);
    own.push(...messages.map((message, nth) => ({ ...message, first: nth === 0 })));
  }
}

type Asked = Omit<Parameters<Observations["reads"]["push"]>[0], "kind" | "limit" | "answer" | "source">;

function messagesOf({ id }: ConversationOfRun): string {
  return `/api/conversations/${id}/messages`;
}

function pick<Item>(items: readonly Item[], nth: number): Item | undefined {
  return items[nth % items.length];
}
