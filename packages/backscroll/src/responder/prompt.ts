import type { ModelMessage } from "ai";
import type { ContextMessage } from "./responder.ts";

/**
 * The context as every provider takes it. Anthropic refuses blank texts, system messages in the middle and
 * a beginning that is not the user's; the chat templates of many open models refuse two messages of one role
 * in a row, which is what a turn without an answer leaves behind. So:
 *
 * - system messages join the instructions, in order;
 * - `tool` messages are left out: their text answers a call that the context does not hold, and the
 *   assistant's message after it says what came of it;
 * - blank messages (an assistant's that was tool calls only) and what the assistant said before the first user message are left out;
 * - neighbours of one role become one message.
 */
export function toPrompt(
  system: string | undefined,
  context: readonly ContextMessage[],
): { instructions: string; messages: ModelMessage[] } {
  const instructions = [system ?? ""];
  const messages: { role: "user" | "assistant"; content: string }[] = [];
  for (const { role, content } of context) {
    if (content.trim() === "" || role === "tool") continue;
    if (role === "system") {
      instructions.push(content);
      continue;
    }
    const last = messages.at(-1);
    if (last?.role === role) last.content += `\n\n${content}`;
    else if (last !== undefined || role === "user") messages.push({ role, content });
  }
  return { instructions: instructions.filter((text) => text.trim() !== "").join("\n\n"), messages };
}
