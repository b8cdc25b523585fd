import { type Deadline, startDeadline, untilAborted } from "./deadline.ts";
import { BackscrollConnectionError, toApiError } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { queryString } from "./path.ts";
import type { OpenedStream } from "./reconnecting.ts";
import { type Failure, isRetryable } from "./retry.ts";

/** Headers of every request, or what gives them anew for each attempt. */
export type HeadersSource =
  | Readonly<Record<string, string>>
  | Headers
  | (() => Readonly<Record<string, string>> | Headers | Promise<Readonly<Record<string, string>> | Headers>);

/** `fetch`, or what behaves like it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface Connection {
  /** without a slash at its end */
  readonly baseUrl: string;
  readonly headers?: HeadersSource | undefined;
  readonly fetch?: Fetch | undefined;
}

/** Reads a good answer. It releases the deadline, at the answer's end. */
export type Read<Answer> = (response: Response, deadline: Deadline) => Answer | Promise<Answer>;

/**
 * Sends a request once.
 *
 * @throws the signal's reason, and what the caller's headers function throws; every other failure is returned
 */
export async function attempt<Answer>(
  connection: Connection,
  operation: Operation<Answer>,
  { signal, timeoutMs, read }: { signal: AbortSignal | undefined; timeoutMs: number; read: Read<Answer> },
): Promise<{ readonly answer: Answer } | Failure> {
  signal?.throwIfAborted();
  const deadline = startDeadline(signal, timeoutMs);
  try {
    return { answer: await untilAborted(deadline.signal, exchange(connection, operation, { deadline, read })) };
  } catch (error) {
    deadline.release();
    if (error instanceof RefusedAnswer) return error.failure;
    if (error instanceof BackscrollConnectionError) return { error, retryable: true, mayHaveRun: true };
    throw error;
  }
}

/** Carries a failure out of the exchange. */
class RefusedAnswer extends Error {
  readonly failure: Failure;

  constructor(response: Response, text: string) {
    super();
    const error = toApiError(response, text);
    const retryable = isRetryable(response, error.code);
    const { retryAfterSeconds } = error;
    this.failure = { error, retryable, retryAfterSeconds, mayHaveRun: error.status !== 429 };
  }
}

async function exchange<Answer>(
  { baseUrl, headers, fetch: send = fetch }: Connection,
  operation: Operation<Answer>,
  { deadline, read }: { deadline: Deadline; read: Read<Answer> },
): Promise<Answer> {
  const given = typeof headers === "function" ? await headers() : headers;
  const init = { ...toInit(operation, new Headers(given)), signal: deadline.signal };
  try {
    const response = await send(`${baseUrl}${operation.path}${queryString(operation.query ?? {})}`, init);
    if (!response.ok) throw new RefusedAnswer(response, await response.text());
    return await read(response, deadline);
  } catch (error) {
    if (error instanceof RefusedAnswer) throw error;
    throw connectionLost(error);
  }
}

function toInit(
  { method, headers: own = {}, body, rawBody, idempotencyKey }: Operation<unknown>,
  headers: Headers,
): RequestInit {
  for (const [name, value] of Object.entries(own)) headers.set(name, value);
  if (!headers.has("accept")) headers.set("accept", "application/json");
  if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
  const sent = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
  if (sent === undefined) return { method, headers };
  headers.set("content-type", "application/json");
  const init = { method, headers, body: sent, ...(sent instanceof ReadableStream && { duplex: "half" }) };
  return init as RequestInit;
}

export async function readJson<Answer>(response: Response, deadline: Deadline): Promise<Answer> {
  const text = await response.text();
  deadline.release();
  try {
    return JSON.parse(text) as Answer;
  } catch {
    throw new RefusedAnswer(response, text);
  }
}

/** @returns the body; when the connection breaks it errors as every call does */
export function readStream(
  response: Response,
  deadline: Deadline,
  idleTimeoutMs = Number.POSITIVE_INFINITY,
): ReadableStream<Uint8Array> {
  deadline.stopTimer();
  const reader = response.body?.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        // Only while it is waited for: who reads slowly has not lost the connection.
        deadline.restartTimer(idleTimeoutMs);
        const next = reader && (await untilAborted(deadline.signal, reader.read()));
        deadline.stopTimer();
        if (next?.value !== undefined) return controller.enqueue(next.value);
        deadline.release();
        controller.close();
      } catch (error) {
        deadline.release();
        controller.error(deadline.signal.aborted ? deadline.signal.reason : connectionLost(error));
      }
    },
    async cancel(reason) {
      deadline.release();
      await reader?.cancel(reason);
    },
  });
}

/** @returns the reader of an event stream; null when there is nothing to stream (204) */
export function readEventStream(idleTimeoutMs: number): Read<OpenedStream | null> {
  return async (response, deadline) => {
    if (response.status === 204) {
      deadline.release();
      return null;
    }
    const { headers } = response;
    if (headers.get("content-type")?.startsWith("text/event-stream") !== true) {
      throw new RefusedAnswer(response, await response.text());
    }
    return {
      body: readStream(response, deadline, idleTimeoutMs),
      requestId: headers.get("x-request-id") ?? undefined,
    };
  };
}

function connectionLost(error: unknown): BackscrollConnectionError {
  // Node says "fetch failed" and hides why in the cause.
  const reasons = error instanceof Error && error.cause instanceof Error ? [error, error.cause] : [error];
  const said = reasons.map((reason) => (reason instanceof Error ? reason.message : String(reason)));
  return new BackscrollConnectionError(`the connection failed: ${said.join(": ")}`, { cause: error });
}
