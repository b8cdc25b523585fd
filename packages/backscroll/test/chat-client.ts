import type * as ai7 from "ai";

/** What is the same in versions 7 and 6. */
export type Ai = typeof ai7;
export type Message = ai7.UIMessage<Record<string, unknown>>;

/** With the id that its client makes. */
export function userMessage(ai: Ai, text: string): Message {
  return { id: ai.generateId(), role: "user", parts: [{ type: "text", text }] };
}

interface Shown {
  /** Resolves when the message's text begins with this. */
  shows(text: string): Promise<void>;
  /** the message when the stream has ended, however */
  readonly last: Promise<Message>;
  readonly errors: readonly string[];
}

/** Reads a stream as a chat does. */
export function read(ai: Ai, stream: ReadableStream<ai7.UIMessageChunk>): Shown {
  const errors: string[] = [];
  let latest: Message | undefined;
  const isShown = (text: string): boolean => latest !== undefined && textOf(latest).startsWith(text);
  let grown = Promise.withResolvers<void>();
  const follow = async (): Promise<Message> => {
    const onError = (error: unknown): void => void errors.push(String(error));
    for await (const message of ai.readUIMessageStream<Message>({ stream, onError })) {
      latest = message;
      grown.resolve();
      grown = Promise.withResolvers();
    }
    if (!latest) throw new Error("the stream showed no message");
    return latest;
  };
  return {
    errors,
    last: follow(),
    async shows(text) {
      while (!isShown(text)) await grown.promise;
    },
  };
}

export function textOf({ parts }: Message): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
