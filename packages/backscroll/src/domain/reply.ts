import type { JsonValue } from "./json.ts";

/** A piece of a reply, in the order it was said. */
export type ReplyChunk =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "tool-call"; readonly toolCallId: string; readonly toolName: string; readonly input: JsonValue }
  | {
      readonly type: "tool-result";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly output: JsonValue;
    };

/** What is not text. */
export type ToolChunk = Exclude<ReplyChunk, { readonly type: "text" }>;

/** How much of a reply has been said; the same for every way that leads there. */
export interface ReplyPosition {
  /** UTF-16 code units of text */
  readonly chars: number;
  /** tool calls and tool results */
  readonly tools: number;
}

/** All that has been said of a reply so far. */
export interface ReplySoFar {
  readonly text: string;
  /** each after so many `chars` of the text, in order */
  readonly tools: readonly { readonly at: number; readonly chunk: ToolChunk }[];
}

/** @returns what was said between a position and the end of `said`, in order */
export function chunksSince({ text, tools }: ReplySoFar, from: ReplyPosition): readonly ReplyChunk[] {
  const chunks: ReplyChunk[] = [];
  let { chars } = from;
  for (const { at, chunk } of tools.slice(from.tools)) {
    if (at > chars) chunks.push({ type: "text", text: text.slice(chars, at) });
    chars = Math.max(chars, at);
    chunks.push(chunk);
  }
  if (text.length > chars) chunks.push({ type: "text", text: text.slice(chars) });
  return chunks;
}
