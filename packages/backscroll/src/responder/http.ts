import { abortFailure, connectionFailure, rateLimited } from "./failure.ts";
import { BodyNotText, BodyTooLarge, readEvents, readText } from "./http-body.ts";
import { readEvent, readReply, toRequestBody, type WireFailure } from "./http-wire.ts";
import { ResponderError } from "./responder.ts";
import type { Responder, ResponderDelta, RespondRequest } from "./responder.ts";

export interface HttpResponderOptions {
  /** e.g. "http://127.0.0.1:8787/respond" */
  readonly url: string;
  /** sent with every request, e.g. `authorization` */
  readonly headers?: Readonly<Record<string, string>>;
  /** for the banner and the log; the URL's origin unless told */
  readonly description?: string;
}

/** Of a JSON reply, of one event, and of a stream's text, inputs and outputs together. */
const REPLY_BYTES_MAX = 4_194_304;

const JSON_SHAPE =
  '{content, tokens?, model?, tool_calls?: [{id?, name, input, output?}]} or {"type":"error",message,code?}';
const EVENT_SHAPE =
  '{"type":"text",text}, {"type":"tool-call",tool_call_id,tool_name,input}, {"type":"tool-result",tool_call_id,tool_name,output}, ' +
  '{"type":"usage",tokens_used?,model?} or {"type":"error",message,code?}';

interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly description: string;
}

/**
 * Answers with your own agent, in any language: it gets a POST of `{messages: [{role, content}], query, tools}` and
 * replies in JSON, `{content, tokens?, model?, tool_calls?}`, or as `text/event-stream` with one JSON event a line
 * and `[DONE]` at the end. `examples/python-agent` is one.
 *
 * @throws {Error} when the URL is none; the message does not repeat it
 */
export function createHttpResponder(options: HttpResponderOptions): Responder {
  const url = URL.parse(options.url);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(
      'the responder\'s URL must be a whole http or https URL, for example "http://127.0.0.1:8787/respond"',
    );
  // fetch refuses these, at the first message and with the password in its error
  if (url.username !== "" || url.password !== "")
    throw new Error("the responder's URL must not hold a user name or password: send a header instead");
  // of the URL only the origin is ever told: webhooks keep secrets in their paths
  const target = { url, headers: options.headers ?? {}, description: options.description ?? `agent at ${url.origin}` };
  return { description: target.description, respond: (request) => respond(target, request) };
}

async function* respond(target: Target, request: RespondRequest): AsyncGenerator<ResponderDelta> {
  const { signal } = request;
  if (signal.aborted) throw abortFailure(signal, target.description);
  // closes the connection of a reply that nobody reads to its end
  const stop = new AbortController();
  try {
    const response = await post(target, request, AbortSignal.any([signal, stop.signal]));
    yield* readResponse(response, target);
  } catch (error) {
    if (signal.aborted) throw abortFailure(signal, target.description);
    throw toFailure(error, target);
  } finally {
    stop.abort();
  }
}

async function post({ url, headers }: Target, request: RespondRequest, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        ...request.headers,
        ...headers,
        "content-type": "application/json",
      },
      body: toRequestBody(request),
      signal,
      // a redirect would carry the conversation and our headers to a place nobody configured
      redirect: "manual",
    });
  } catch (error) {
    throw connectionFailure(error, `cannot reach ${url.origin}`);
  }
}

async function* readResponse(response: Response, { url }: Target): AsyncGenerator<ResponderDelta> {
  if (response.status === 429) throw rateLimited(`${url.origin} answered 429`, response.headers.get("retry-after"));
  if (!response.ok) throw failed(`${url.origin} answered ${response.status}`);
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (response.body === null || (type !== "text/event-stream" && type !== "application/json")) {
    throw failed(`${url.origin} answered without a body of type application/json or text/event-stream`);
  }
  if (type === "text/event-stream") yield* readStream(response.body, url);
  else yield* readJson(response.body, url);
}

async function* readJson(body: AsyncIterable<Uint8Array>, { origin }: URL): AsyncGenerator<ResponderDelta> {
  const deltas = readReply(await readText(body, REPLY_BYTES_MAX));
  if (deltas === null) throw failed(`the reply of ${origin} is not the JSON expected: ${JSON_SHAPE}`);
  if (!Array.isArray(deltas)) throw reported(origin, deltas);
  yield* deltas;
}

/** A stream is whole once it said `[DONE]` or its usage; anything after `[DONE]` is not read. */
async function* readStream(body: AsyncIterable<Uint8Array>, { origin }: URL): AsyncGenerator<ResponderDelta> {
  let usage: ResponderDelta | null = null;
  let done = false;
  let bytes = 0;
  for await (const { data, whole } of readEvents(body, REPLY_BYTES_MAX)) {
    done = data.trim() === "[DONE]";
    // a last line without its end is no event, except the one that says it is the last
    if (done || !whole) break;
    const event = readEvent(data);
    if (event === null) throw failed(`an event of ${origin} is none of those expected: ${EVENT_SHAPE}`);
    if (event.type === "error") throw reported(origin, event);
    bytes += contentBytes(event);
    if (bytes > REPLY_BYTES_MAX) throw new BodyTooLarge();
    if (event.type === "usage") usage = event;
    else yield event;
  }
  if (!done && usage === null) throw failed(`the reply of ${origin} ended early`);
  if (usage !== null) yield usage;
}

/** What would be stored of it: a stream may be many times its text, a few words an event. */
function contentBytes(delta: ResponderDelta): number {
  switch (delta.type) {
    case "text":
      return Buffer.byteLength(delta.text);
    case "tool-call":
      return Buffer.byteLength(JSON.stringify(delta.input));
    case "tool-result":
      return Buffer.byteLength(JSON.stringify(delta.output));
    case "usage":
      return 0;
  }
}

function toFailure(error: unknown, { url }: Target): ResponderError {
  if (error instanceof ResponderError) return error;
  if (error instanceof BodyTooLarge)
    return failed(`the reply of ${url.origin} is longer than ${REPLY_BYTES_MAX} bytes`);
  if (error instanceof BodyNotText) return failed(`the reply of ${url.origin} is not UTF-8`);
  return connectionFailure(error, `the reply of ${url.origin} ended early`);
}

/** What an agent says of its failure may quote the question, and this ends in the log: its own log has it. */
function reported(origin: string, { code }: WireFailure): ResponderError {
  return new ResponderError(code, `${origin} reported an error (${code})`);
}

function failed(message: string): ResponderError {
  return new ResponderError("failed", message);
}
