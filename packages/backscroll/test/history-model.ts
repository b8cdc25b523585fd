import fc from "fast-check";
import { expect } from "vitest";
import type { Services } from "./services.ts";

/** A conversation as it should be, beside the real one: what the history's tests compare. */
export class HistoryModel {
  readonly messages: ModelMessage[] = [];
  readonly path: string;
  readonly #services: Services;
  readonly #user: string;
  readonly #id: string;
  #minted = 0;
  #time = Date.parse("2026-01-01T00:00:00.000Z");

  private constructor(services: Services, user: string, id: string) {
    this.#services = services;
    this.#user = user;
    this.#id = id;
    this.path = `/api/conversations/${id}/messages`;
  }

  static async begin(services: Services, user: string, id: string): Promise<HistoryModel> {
    await services.call(user, "POST", "/api/conversations", { id });
    // Imported messages then keep the times that the tests give them.
    await services.deps.db.pool.query("update conversations set created_at = '2025-01-01', updated_at = '2025-01-01'");
    return new HistoryModel(services, user, id);
  }

  /** @param gaps milliseconds between each message and the one before: 0 gives equal times */
  async add(gaps: readonly number[]): Promise<void> {
    const added = gaps.map((gap): ModelMessage => {
      this.#minted += 1;
      this.#time += gap;
      return {
        id: `m${this.#minted}`,
        seq: this.#minted,
        content: `text ${this.#minted}`,
        created_at: new Date(this.#time).toISOString(),
      };
    });
    const conversation = { conversation_id: this.#id, title: "t", created_at: "2025-01-01T00:00:00Z" };
    const messages = added.map(({ seq: _, ...message }) => ({ ...message, role: "user" }));
    const { json } = await this.#services.call(this.#user, "POST", "/api/import", {
      backscroll_export: 1,
      conversations: [{ conversation, messages }],
    });
    expect(json.messages).toEqual({ saved: added.length, skipped: 0 });
    this.messages.push(...added);
  }

  async edit(nth: number): Promise<void> {
    const message = this.messages[nth % this.messages.length];
    if (!message) return;
    message.content = `${message.content}, edited`;
    const { status } = await this.#services.call(this.#user, "PATCH", `${this.path}/${message.id}`, {
      content: message.content,
    });
    expect(status).toBe(200);
    await this.#keepTime();
  }

  async delete(nth: number): Promise<void> {
    const [message] = this.messages.length === 0 ? [] : this.messages.splice(nth % this.messages.length, 1);
    if (!message) return;
    expect((await this.#services.call(this.#user, "DELETE", `${this.path}/${message.id}`)).status).toBe(200);
    await this.#keepTime();
  }

  /** A change is activity of now, which would move later imports up to it. */
  async #keepTime(): Promise<void> {
    await this.#services.deps.db.pool.query("update conversations set updated_at = $1", [new Date(this.#time)]);
  }

  /** Reads a window and checks each message against the model. */
  async read(query: string): Promise<Window> {
    const { status, json, text } = await this.#services.call(this.#user, "GET", `${this.path}?${query}`);
    expect(status, `${query} ${text.slice(0, 200)}`).toBe(200);
    const known = new Map(this.messages.map((message) => [message.id, message]));
    for (const message of json.messages)
      expect(message).toMatchObject(known.get(message.id) ?? { id: "one that is there" });
    return { ...json, ids: json.messages.map(({ id }: ModelMessage) => id) };
  }
}

interface ModelMessage {
  readonly id: string;
  readonly seq: number;
  content: string;
  readonly created_at: string;
}

export interface Window {
  readonly ids: string[];
  readonly messages: Record<string, unknown>[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
  readonly has_previous: boolean;
  readonly previous_cursor: string | null;
  readonly pagination: Record<"total" | "page" | "page_size" | "total_pages", number> & {
    has_next: boolean;
    has_prev: boolean;
  };
}

export type Change = { readonly add: number[] } | { readonly edit: number } | { readonly delete: number };

/** Saves in batches, equal times among them, edits and deletions. */
export const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.array(fc.constantFrom(0, 0, 1, 1_000), { minLength: 1, maxLength: 8 }).map((add) => ({ add })),
    },
    { weight: 1, arbitrary: fc.nat(50).map((edit) => ({ edit })) },
    { weight: 3, arbitrary: fc.nat(50).map((nth) => ({ delete: nth })) },
  ),
  { maxLength: 10 },
);

export async function apply(model: HistoryModel, made: readonly Change[]): Promise<void> {
  for (const change of made) {
    if ("add" in change) await model.add(change.add);
    else if ("edit" in change) await model.edit(change.edit);
    else await model.delete(change.delete);
  }
}
