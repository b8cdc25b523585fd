import { Agent, type IncomingMessage, request } from "node:http";
import { eventData } from "../../packages/backscroll/test/ui-stream.ts";

/** Something that was not answered as it should be; `message` is its kind, to be counted. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
}

export interface Call {
  readonly method: "GET" | "POST" | "DELETE" | "PATCH";
  readonly path: string;
  /** whose, as its token says */
  readonly token: string;
  readonly body?: unknown;
}

export type Answer = IncomingMessage;

const agent = new Agent({ keepAlive: true, maxSockets: 512 });
const TIMEOUT_MS = 30_000;

/** @returns the answer's head. @throws {CallFailure} when it is not a success, or does not come */
export function open(url: string, { method, path, token, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(text !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
    };
    const name = `${method} ${path.replaceAll(/[0-9a-f-]{36}/g, "{id}").replace(/\?.*/, "")}`;
    const sent = request(url + path, { method, agent, headers }, (response) => {
      sent.setTimeout(0);
      const { statusCode = 0 } = response;
      if (statusCode >= 200 && statusCode < 300) return resolve(response);
      response.resume();
      reject(new CallFailure(`${name}: ${statusCode}`));
    });
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    sent.on("error", (error: NodeJS.ErrnoException) =>
      reject(new CallFailure(`${name}: ${error.code ?? error.message}`)),
    );
    sent.end(text);
  });
}

/** @returns the whole answer. @throws {CallFailure} */
export async function call(url: string, what: Call): Promise<string> {
  const answer = await open(url, what);
  try {
    let text = "";
    for await (const chunk of answer.setEncoding("utf8")) text += String(chunk);
    return text;
  } catch {
    throw new CallFailure(`${what.method}: the answer broke off`);
  }
}

/** Reads a reply as it is written. @returns its message's id and text. @throws {CallFailure} */
export async function readReply(answer: Answer, onFirstText: () => void): Promise<{ id: string; text: string }> {
  let [id, text, isDone] = ["", "", false];
  try {
    for await (const data of eventData(answer)) {
      isDone = data === "[DONE]";
      if (isDone) continue;
      const chunk = JSON.parse(data) as { type: string; messageId?: string; delta?: string };
      if (chunk.type === "error") throw new CallFailure("turn: the reply failed");
      if (chunk.type === "start") id = chunk.messageId ?? "";
      if (chunk.type !== "text-delta") continue;
      if (text === "") onFirstText();
      text += chunk.delta ?? "";
    }
  } catch (error) {
    throw error instanceof CallFailure ? error : new CallFailure("turn: the stream broke off");
  }
  if (!isDone) throw new CallFailure("turn: the stream ended without [DONE]");
  return { id, text };
}
