import type { Page } from "playwright-core";

type Button = "Send" | "Stop" | "Regenerate" | "Reconnect";

/** What a person does with the page, and sees of it. */
export class ChatPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async rendered(): Promise<void> {
    await this.page.locator("#status").waitFor();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.rendered();
  }

  /** From now on something happens between the page's history and its asking for a running reply. */
  async beforeStream(happens: () => Promise<void>): Promise<void> {
    await this.page.route("**/api/chat/*/stream", async (route) => {
      await happens();
      await route.continue();
    });
  }

  async send(text: string): Promise<void> {
    await this.page.getByLabel("Message").fill(text);
    await this.press("Send");
  }

  async press(button: Button): Promise<void> {
    await this.page.getByRole("button", { name: button }).click();
  }

  /** @returns each message as `role: text`, and in brackets its status when it is not complete */
  async shown(): Promise<string[]> {
    return this.page
      .locator("li")
      .evaluateAll((items) => items.map((item) => `${item.dataset["role"]}: ${item.innerText}`));
  }

  /** @returns of the messages, as `useChat` knows them */
  async ids(): Promise<string[]> {
    return this.page.locator("li").evaluateAll((items) => items.map((item) => item.dataset["id"] ?? ""));
  }

  /** @returns what `useChat` says: submitted, streaming, ready or error */
  status(): Promise<string> {
    return this.page.locator("#status").innerText();
  }

  /** @returns what the page says went wrong; empty when nothing did */
  async error(): Promise<string> {
    return (await this.page.locator("#error").allInnerTexts()).join();
  }

  /** @returns the one that `useChat` minted; it stands in the address */
  conversationId(): string {
    const id = new URL(this.page.url()).searchParams.get("chat");
    if (id === null) throw new Error(`the address names no conversation: ${this.page.url()}`);
    return id;
  }
}
