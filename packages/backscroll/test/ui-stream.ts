/** One chunk of the AI SDK's UI message stream, https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol */
interface UiChunk {
  readonly type: string;
  readonly id?: string;
  readonly delta?: string;
  readonly messageId?: string;
  readonly errorText?: string;
  readonly messageMetadata?: Readonly<Record<string, unknown>>;
}

/** A reply as one client is shown it. */
export interface UiStream {
  readonly status: number;
  readonly headers: Headers;
  /** so far, in order */
  readonly chunks: readonly UiChunk[];
  /** so far: every delta */
  readonly text: string;
  /** Resolves when the text so far begins with this. @throws when the stream ends before */
  shows(text: string): Promise<void>;
  /** Resolves when the stream has ended as the protocol says. @throws when it broke, or is not well-formed */
  readonly whole: Promise<WholeReply>;
  /** Resolves when the connection is over, however that came. */
  readonly over: Promise<void>;
  /** Closes the connection. */
  leave(): void;
}

interface WholeReply {
  readonly messageId: string;
  readonly text: string;
  /** how it ended */
  readonly ending: "finish" | "abort" | "error";
  /** everything said of the message besides its text, the last word on each */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Opens a stream, and reads it as fast as it comes. @throws when the answer is another */
export async function openUiStream(url: string, body?: unknown): Promise<UiStream> {
  const away = new AbortController();
  const response = await fetch(url, {
    signal: away.signal,
    ...(body !== undefined && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  if (response.headers.get("x-vercel-ai-ui-message-stream") !== "v1" || !response.body) {
    throw new Error(`${url} answers ${response.status}: ${await response.text()}`);
  }
  const chunks: UiChunk[] = [];
  let text = "";
  let isOver = false;
  let grown = Promise.withResolvers<void>();
  const wake = (): void => {
    grown.resolve();
    grown = Promise.withResolvers();
  };
  const read = async (from: AsyncIterable<Uint8Array>): Promise<WholeReply> => {
    let isDone = false;
    for await (const data of eventData(from)) {
      if (isDone) throw new Error(`something follows [DONE]: ${data}`);
      if (data === "[DONE]") {
        isDone = true;
        continue;
      }
      const chunk = JSON.parse(data) as UiChunk;
      chunks.push(chunk);
      if (chunk.type === "text-delta") text += chunk.delta ?? "";
      wake();
    }
    if (!isDone) throw new Error(`the stream has no end; its text: ${text}`);
    return toWhole(chunks);
  };
  const whole = read(response.body).finally(() => {
    isOver = true;
    wake();
  });
  const over = whole.then(
    () => undefined,
    () => undefined,
  );
  return {
    status: response.status,
    headers: response.headers,
    chunks,
    get text() {
      return text;
    },
    async shows(wanted) {
      while (!text.startsWith(wanted)) {
        if (isOver) throw new Error(`the stream is over, and showed ${JSON.stringify(text)}`);
        await grown.promise;
      }
    },
    whole,
    over,
    leave: () => away.abort(),
  };
}

/** @returns the data of each event, https://html.spec.whatwg.org/multipage/server-sent-events.html; comments are left out */
export async function* eventData(from: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let unread = "";
  for await (const bytes of from) {
    unread += decoder.decode(bytes, { stream: true });
    const events = unread.split("\n\n");
    unread = events.pop() ?? "";
    for (const event of events) if (event.startsWith("data: ")) yield event.slice("data: ".length);
  }
}

/** @throws when the chunks are not one message, begun and ended once, every text in a block of its own */
function toWhole(chunks: readonly UiChunk[]): WholeReply {
  const wrong = (what: string): Error => new Error(`${what}: ${JSON.stringify(chunks)}`);
  const [start] = chunks;
  if (start?.type !== "start" || start.messageId === undefined) throw wrong("a stream begins with its message's id");
  if (chunks.filter(({ type }) => type === "start").length > 1) throw wrong("it begins twice");
  const endings = chunks.filter(({ type }) => type === "finish" || type === "abort" || type === "error");
  const [ending] = endings;
  if (endings.length !== 1 || ending !== chunks.at(-1)) throw wrong("a stream ends once, with its last chunk");
  let text = "";
  let block: string | undefined;
  for (const chunk of chunks) {
    if (chunk.type === "text-start" && block === undefined) block = chunk.id;
    else if (chunk.type === "text-end" && block === chunk.id) block = undefined;
    else if (chunk.type === "text-delta" && block === chunk.id) text += chunk.delta ?? "";
    else if (chunk.type.startsWith("text-")) throw wrong(`${chunk.type} is out of its place`);
  }
  if (block !== undefined) throw wrong("a text has no end");
  return {
    messageId: start.messageId,
    text,
    ending: ending?.type as WholeReply["ending"],
    metadata: Object.assign({}, ...chunks.map(({ messageMetadata }) => messageMetadata)) as Record<string, unknown>,
  };
}
