import type { Page } from "playwright-core";

/** A message as a person sees it. */
export interface Shown {
  readonly role: string;
  /** and in brackets, when it is not complete, its status */
  readonly text: string;
}

type Button = "Send" | "Stop" | "Regenerate" | "Reconnect";

/** What a person does with the page, and sees of it. */
export class ChatPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async send(text: string): Promise<void> {
    await this.page.getByLabel("Message").fill(text);
    await this.press("Send");
  }

  async press(button: Button): Promise<void> {
    await this.page.getByRole("button", { name: button }).click();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.rendered();
  }

  async rendered(): Promise<void> {
    await this.page.locator("#status").waitFor();
  }

  async shown(): Promise<Shown[]> {
    return this.page
      .locator("li")
      .evaluateAll((items) => items.map((item) => ({ role: item.dataset["role"] ?? "", text: item.innerText })));
  }

  /** @returns the messages' ids, as `useChat` knows them */
  async ids(): Promise<string[]> {
    return this.page.locator("li").evaluateAll((items) => items.map((item) => item.dataset["id"] ?? ""));
  }

  /** @returns the last message, when it is the assistant's */
  async reply(): Promise<string | undefined> {
    const last = (await this.shown()).at(-1);
    return last?.role === "assistant" ? last.text : undefined;
  }

  /** @returns what `useChat` says: submitted, streaming, ready or error */
  status(): Promise<string> {
    return this.page.locator("#status").innerText();
  }

  error(): Promise<string> {
    return this.page.locator("#error").innerText();
  }

  /** @returns of the conversation, as `useChat` made it; it stands in the address */
  conversationId(): string {
    const id = new URL(this.page.url()).searchParams.get("chat");
    if (id === null) throw new Error(`the address names no conversation: ${this.page.url()}`);
    return id;
  }
}
