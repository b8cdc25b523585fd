import { unreadableAnswer } from "./errors.ts";
import type { JsonObject, JsonValue, Message } from "./types.ts";

/** Names a reply: known from its first moment, and as it is stored. */
export interface ReplyNames {
  readonly conversation_id: string;
  readonly user_message_id: string;
  /** the reply's own */
  readonly message_id: string;
}

/** One thing that happens in a reply. Each is shown once, whatever happens to the connection. */
export type ReplyEvent =
  | ({ readonly type: "start" } & ReplyNames)
  | ReplyText
  | ToolCall
  | ToolResult
  /** the reply broke off and was asked for again: what was shown of it is void */
  | ({ readonly type: "restart" } & ReplyNames)
  /** it is stored */
  | { readonly type: "end"; readonly reply: StreamedReply };

export interface ReplyText {
  readonly type: "text";
  /** what is new */
  readonly delta: string;
  /** all of the text so far */
  readonly snapshot: string;
}

export interface ToolCall {
  readonly type: "tool-call";
  readonly tool_call_id: string;
  readonly tool_name: string;
  readonly input: JsonValue;
}

export interface ToolResult {
  readonly type: "tool-result";
  readonly tool_call_id: string;
  readonly tool_name: string;
  readonly output: JsonValue;
}

/** A reply as it was stored: whole, or stopped by its user. */
export interface StreamedReply extends Pick<
  Message,
  "id" | "conversation_id" | "seq" | "content" | "status" | "model" | "tokens_used" | "latency_ms" | "created_at"
> {
  /** what it answers */
  readonly user_message_id: string;
}

/** What a stream says, without what is not used here. */
export type HeardChunk =
  | ({ readonly type: "start" } & ReplyNames)
  | { readonly type: "text"; readonly text: string }
  | ToolCall
  | ToolResult
  | { readonly type: "metadata"; readonly metadata: JsonObject }
  | { readonly type: "end"; readonly metadata: JsonObject }
  | { readonly type: "error"; readonly detail: string };

/** A chunk of the AI SDK's UI message stream, https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol */
interface UiMessageChunk {
  readonly type: string;
  readonly messageId: string;
  readonly messageMetadata?: JsonObject;
  readonly delta: string;
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: JsonValue;
  readonly output: JsonValue;
  readonly errorText: string;
}

/** Reads the chunks of one connection. */
export class ChunkReader {
  /** a result does not say what its tool is called */
  readonly #toolNames = new Map<string, string>();

  /**
   * @returns null for what is not used here: it may be of a newer service
   * @throws {BackscrollApiError} unreadable_answer
   */
  read(data: string): HeardChunk | null {
    if (data === "[DONE]") return null;
    const { type, messageMetadata: metadata = {}, ...chunk } = parseChunk(data);
    const { toolCallId: tool_call_id } = chunk;
    switch (type) {
      case "start": {
        const { conversation_id, user_message_id } = metadata as unknown as ReplyNames;
        return { type, conversation_id, user_message_id, message_id: chunk.messageId };
      }
      case "text-delta":
        return { type: "text", text: chunk.delta };
      case "tool-input-available": {
        const { toolName: tool_name, input } = chunk;
        this.#toolNames.set(tool_call_id, tool_name);
        return { type: "tool-call", tool_call_id, tool_name, input };
      }
      case "tool-output-available": {
        const tool_name = this.#toolNames.get(tool_call_id) ?? "";
        return { type: "tool-result", tool_call_id, tool_name, output: chunk.output };
      }
      case "message-metadata":
        return { type: "metadata", metadata };
      case "finish":
      case "abort":
        return { type: "end", metadata };
      case "error":
        return { type, detail: chunk.errorText };
      default:
        return null;
    }
  }
}

function parseChunk(data: string): UiMessageChunk {
  try {
    const chunk: unknown = JSON.parse(data);
    if (typeof chunk === "object" && chunk !== null) return chunk as UiMessageChunk;
  } catch {
    // said below
  }
  throw unreadableAnswer(`not a chunk of a reply: ${data.slice(0, 200)}`);
}

/** @returns what a stored reply says, as its stream would have said it */
export function chunksOf({ content, parts = [] }: Pick<Message, "content" | "parts">): readonly HeardChunk[] {
  const tools = parts.filter(({ type }) => type === "tool-call" || type === "tool-result");
  if (tools.length === 0) return [{ type: "text", text: content }];
  const said = parts.filter(({ type }) => type === "text" || type === "tool-call" || type === "tool-result");
  return said as unknown as readonly HeardChunk[];
}
