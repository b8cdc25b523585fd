import { z } from "zod";
import { LIMITS } from "../domain/limits.ts";
import type { RespondRequest, ResponderDelta } from "./responder.ts";

/** What we post. `query` is the last user message, also the last of that role in `messages`. */
export function toRequestBody({ messages, tools }: RespondRequest): string {
  return JSON.stringify({
    messages: messages.map(({ role, content }) => ({ role, content })),
    query: messages.findLast((message) => message.role === "user")?.content ?? "",
    tools,
  });
}

const ToolCallId = z.string().min(1);
const ToolName = z.string().min(1);
const TokensUsed = z.int().nonnegative().max(LIMITS.int4Max).nullish();
const Model = z.string().max(LIMITS.modelCharsMax).nullish();

/** The guide's `run_agent` reply, with its tool calls. `latency` is accepted and not used: we measure it where the user waits. */
const Reply = z.object({
  content: z.string(),
  tokens: TokensUsed,
  model: Model,
  tool_calls: z
    .array(z.object({ id: ToolCallId.optional(), name: ToolName, input: z.json(), output: z.json().optional() }))
    .nullish(),
});

/** An agent may have codes of its own: they are failures like any other. */
const Failure = z.object({
  type: z.literal("error"),
  message: z.string(),
  code: z.enum(["refused", "rate_limited", "timeout", "failed"]).catch("failed"),
});

const StreamEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("tool-call"), tool_call_id: ToolCallId, tool_name: ToolName, input: z.json() }),
  z.object({ type: z.literal("tool-result"), tool_call_id: ToolCallId, tool_name: ToolName, output: z.json() }),
  z.object({ type: z.literal("usage"), tokens_used: TokensUsed, tokensUsed: TokensUsed, model: Model }),
  Failure,
]);

/** A delta, or the agent's own word that it failed. */
export type WireEvent = ResponderDelta | WireFailure;
export type WireFailure = z.output<typeof Failure>;

/**
 * @returns the reply as deltas: its tool calls, then its text, then its usage; or that the agent failed; null when it
 * is not in the guide's shape
 */
export function readReply(json: string): ResponderDelta[] | WireFailure | null {
  const reply = parse(json);
  const failure = Failure.safeParse(reply);
  if (failure.success) return failure.data;
  const { success, data } = Reply.safeParse(reply);
  if (!success) return null;
  const deltas: ResponderDelta[] = [];
  for (const { id, name: toolName, input, output } of data.tool_calls ?? []) {
    // unique beyond this reply: clients key what they show by it
    const toolCallId = id ?? `call_${crypto.randomUUID()}`;
    deltas.push({ type: "tool-call", toolCallId, toolName, input });
    if (output !== undefined) deltas.push({ type: "tool-result", toolCallId, toolName, output });
  }
  if (data.content !== "") deltas.push({ type: "text", text: data.content });
  deltas.push({ type: "usage", tokensUsed: data.tokens ?? null, model: data.model ?? null });
  return deltas;
}

/** @returns null when the line is none of our events */
export function readEvent(json: string): WireEvent | null {
  const { success, data } = StreamEvent.safeParse(parse(json));
  if (!success) return null;
  switch (data.type) {
    case "text":
    case "error":
      return data;
    case "tool-call":
      return { type: data.type, toolCallId: data.tool_call_id, toolName: data.tool_name, input: data.input };
    case "tool-result":
      return { type: data.type, toolCallId: data.tool_call_id, toolName: data.tool_name, output: data.output };
    case "usage":
      return { type: data.type, tokensUsed: data.tokens_used ?? data.tokensUsed ?? null, model: data.model ?? null };
  }
}

/** @returns undefined, which no schema takes, when it is not JSON */
function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
