import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A server that speaks Chat Completions and says what its test tells it to, when it tells it to. */
export interface ScriptedModel {
  /** as `MODEL_BASE_URL` wants it */
  readonly baseUrl: string;
  /** replies asked for so far; a title is not one */
  readonly asked: number;
  readonly titlesAsked: number;
  /** @returns each reply that is asked for, once and in order; waits for the next one */
  nextReply(): Promise<ScriptedReply>;
  close(): Promise<void>;
}

/** One reply that somebody waits for. */
export interface ScriptedReply {
  /** the last message that the model was shown */
  readonly question: string;
  /** how many it was shown */
  readonly messagesShown: number;
  /** resolves when the caller hangs up before the end */
  readonly hungUp: Promise<void>;
  readonly isOpen: boolean;
  say(token: string): void;
  /** Ends as a model does. */
  finish(): void;
  /** Says all of it and ends. */
  sayAll(...tokens: readonly string[]): void;
  /** The connection breaks. */
  breakOff(): void;
}

/** What a model calls every conversation. */
const SCRIPTED_TITLE = "A scripted title";

/** @param onAsked answers instead of a test: `nextReply` then gives nothing */
export async function startScriptedModel(onAsked?: (reply: ScriptedReply) => void): Promise<ScriptedModel> {
  const untaken: ScriptedReply[] = [];
  const takers: ((reply: ScriptedReply) => void)[] = [];
  let asked = 0;
  let titlesAsked = 0;

  const offer = (reply: ScriptedReply): void => {
    const taker = takers.shift();
    if (taker) taker(reply);
    else untaken.push(reply);
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = (await json(request)) as ChatRequest;
    if (body.stream !== true) {
      titlesAsked += 1;
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(TITLE_ANSWER));
      return;
    }
    asked += 1;
    (onAsked ?? offer)(openReply(body, response));
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: Error) => response.destroy(error));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    get asked() {
      return asked;
    },
    get titlesAsked() {
      return titlesAsked;
    },
    nextReply() {
      const waiting = untaken.shift();
      return waiting ? Promise.resolve(waiting) : new Promise((resolve) => takers.push(resolve));
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface ChatRequest {
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

function openReply({ messages }: ChatRequest, response: ServerResponse): ScriptedReply {
  const { promise: hungUp, resolve } = Promise.withResolvers<void>();
  response.on("close", () => {
    if (!response.writableEnded) resolve();
  });
  response.on("error", () => undefined); // `close` follows
  response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  const say = (token: string): void => void response.write(event({ choices: [choice({ content: token })] }));
  const finish = (): void => {
    response.write(event({ choices: [choice({}, "stop")] }));
    response.end(`${event({ choices: [], usage: USAGE })}data: [DONE]\n\n`);
  };
  return {
    question: messages.at(-1)?.content ?? "",
    messagesShown: messages.length,
    hungUp,
    get isOpen() {
      return !response.destroyed && !response.writableEnded;
    },
    say,
    finish,
    sayAll(...tokens) {
      for (const token of tokens) say(token);
      finish();
    },
    breakOff: () => void response.destroy(),
  };
}

const USAGE = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };
const ANSWER = { id: "chatcmpl-1", created: 1_700_000_000, model: "scripted-1" };
const TITLE_ANSWER = {
  ...ANSWER,
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: SCRIPTED_TITLE }, finish_reason: "stop" }],
  usage: USAGE,
};

function choice(delta: Record<string, unknown>, finishReason: string | null = null): Record<string, unknown> {
  return { index: 0, delta, finish_reason: finishReason };
}

function event(chunk: Record<string, unknown>): string {
  return `data: ${JSON.stringify({ ...ANSWER, object: "chat.completion.chunk", ...chunk })}\n\n`;
}
