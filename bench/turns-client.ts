import { Agent, request } from "node:http";
import { eventData } from "../packages/backscroll/test/ui-stream.ts";

/** One streamed reply, as a client saw it. */
export interface SeenReply {
  readonly text: string;
  /** from the request to the first piece of text; NaN: there was none */
  readonly firstTextMs: number;
  /** when each piece of text came */
  readonly pieceTimes: readonly number[];
  /** null: it came whole */
  readonly problem: string | null;
}

export interface StreamedRequest {
  readonly url: string;
  readonly body: unknown;
  /** @returns the text in one event's data, "" when there is none */
  readonly textIn: (data: string) => string;
}

const agent = new Agent({ keepAlive: false });

/** Sends a request and reads its stream to the end. Never rejects. */
export async function readStreamed({ url, body, textIn }: StreamedRequest): Promise<SeenReply> {
  const startedAt = performance.now();
  const pieceTimes: number[] = [];
  let text = "";
  let isDone = false;
  let problem: string | null = null;
  try {
    for await (const data of eventData(await open(url, JSON.stringify(body)))) {
      isDone = data === "[DONE]";
      const piece = isDone ? "" : textIn(data);
      if (piece === "") continue;
      text += piece;
      pieceTimes.push(performance.now());
    }
    if (!isDone) problem = "it ends without [DONE]";
  } catch (error) {
    problem = String(error);
  }
  return { text, firstTextMs: (pieceTimes[0] ?? Number.NaN) - startedAt, pieceTimes, problem };
}

function open(url: string, body: string): Promise<AsyncIterable<Uint8Array>> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request(url, { method: "POST", agent, headers }, (response) => {
      if (response.statusCode === 200) resolve(response);
      else {
        response.resume();
        reject(new Error(`${response.statusCode}`));
      }
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** @returns the text in a chunk of our stream. @throws when it says that the reply failed */
export function textOfUi(data: string): string {
  const chunk = JSON.parse(data) as { type: string; delta?: string; errorText?: string };
  if (chunk.type === "error") throw new Error(chunk.errorText);
  return chunk.type === "text-delta" ? (chunk.delta ?? "") : "";
}

/** @returns the text in a chunk of the model's own stream */
export function textOfModel(data: string): string {
  const chunk = JSON.parse(data) as { choices: readonly { delta: { content?: string } }[] };
  return chunk.choices[0]?.delta.content ?? "";
}
