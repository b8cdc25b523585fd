import type { JsonValue } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Part, WireMessage } from "../domain/message.ts";
import { chunksSince, type ReplyChunk, type ReplySoFar, type ToolChunk } from "../domain/reply.ts";
import type { ResponderDelta } from "../responder/responder.ts";

type Usage = Extract<ResponderDelta, { readonly type: "usage" }>;

/**
 * Makes what a responder says storable, and keeps it that way: what followers are shown is what is saved. PostgreSQL
 * cannot keep U+0000 or half a character; one whose halves come in two pieces is put together.
 */
export class StorableChunks {
  #half = "";

  /** @returns null when there is nothing to say yet */
  next(delta: ReplyChunk): ReplyChunk | null {
    if (delta.type !== "text") return storableTool(delta);
    const text = this.#half + delta.text;
    this.#half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : "";
    const whole = storable(this.#half === "" ? text : text.slice(0, -1));
    return whole === "" ? null : { type: "text", text: whole };
  }
}

/** A model may say what PostgreSQL cannot keep; its reply is not lost over a character. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "");
}

function storableTool(chunk: ToolChunk): ToolChunk {
  const names = { toolCallId: storable(chunk.toolCallId), toolName: storable(chunk.toolName) };
  if (chunk.type === "tool-call") return { ...chunk, ...names, input: storableJson(chunk.input) };
  return { ...chunk, ...names, output: storableJson(chunk.output) };
}

function storableJson(value: JsonValue): JsonValue {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => storableJson(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storable(key), storableJson(item)]));
}

export function storableUsage({ model, tokensUsed }: Usage): { model: string | null; tokensUsed: number | null } {
  const countable =
    tokensUsed !== null && Number.isInteger(tokensUsed) && tokensUsed >= 0 && tokensUsed <= LIMITS.int4Max;
  return {
    model: model === null ? null : storable(model).slice(0, LIMITS.modelCharsMax).toWellFormed(),
    tokensUsed: countable ? tokensUsed : null,
  };
}

/** @returns all that was said, in order; null when it was text alone */
export function partsOf(soFar: ReplySoFar): readonly Part[] | null {
  if (soFar.tools.length === 0) return null;
  return chunksSince(soFar, { chars: 0, tools: 0 }).map((chunk): Part => {
    switch (chunk.type) {
      case "text":
        return { type: "text", text: chunk.text };
      case "tool-call": {
        const { type, toolCallId: tool_call_id, toolName: tool_name, input } = chunk;
        return { type, tool_call_id, tool_name, input };
      }
      case "tool-result": {
        const { type, toolCallId: tool_call_id, toolName: tool_name, output } = chunk;
        return { type, tool_call_id, tool_name, output };
      }
    }
  });
}

/** The inverse: a stored reply as it was said. Parts of other kinds are not a reply's own. */
export function saidIn({ content, parts = [] }: Pick<WireMessage, "content" | "parts">): ReplySoFar {
  const tools: { at: number; chunk: ToolChunk }[] = [];
  let at = 0;
  for (const part of parts) {
    if (part.type === "text" && typeof part["text"] === "string") at += part["text"].length;
    const chunk = toolChunkOf(part);
    if (chunk) tools.push({ at: Math.min(at, content.length), chunk });
  }
  return { text: content, tools };
}

function toolChunkOf(part: Part): ToolChunk | null {
  const { tool_call_id: toolCallId, tool_name: toolName, input = null, output = null } = part;
  if (typeof toolCallId !== "string" || typeof toolName !== "string") return null;
  if (part.type === "tool-call") return { type: "tool-call", toolCallId, toolName, input };
  if (part.type === "tool-result") return { type: "tool-result", toolCallId, toolName, output };
  return null;
}
