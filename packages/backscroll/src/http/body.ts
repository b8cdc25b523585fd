import { JSONParser } from "@streamparser/json";
import type { MiddlewareHandler } from "hono";
import { BackscrollError, errorMessage } from "../domain/errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the body of a request as text, within the limits, where the route's validator finds it.
 *
 * @param timeoutMs how long all of it may take to arrive
 * @throws {BackscrollError} body_too_large, request_timeout when it breaks off, too, malformed_json when it is not UTF-8
 */
export function readBody(bodyBytesMax: number, timeoutMs: number): MiddlewareHandler {
  return async (c, next) => {
    const declared = Number(c.req.header("content-length") ?? Number.NaN);
    if (declared > bodyBytesMax) throw tooLarge(bodyBytesMax);
    const bytes = await inTime<ArrayBuffer | Uint8Array>(
      Number.isNaN(declared) ? readAtMost(c.req.raw.body, bodyBytesMax) : c.req.raw.arrayBuffer(),
      timeoutMs,
    );
    // A host that mounts this handler may let more through than was declared.
    if (bytes.byteLength > bodyBytesMax) throw tooLarge(bodyBytesMax);
    try {
      // Hono keeps promises here, whatever its type says, and reads them before the request.
      c.req.bodyCache.text = Promise.resolve(utf8.decode(bytes)) as unknown as string;
    } catch (error) {
      throw new BackscrollError("malformed_json", "the body is not valid UTF-8", {}, { cause: error });
    }
    await next();
  };
}

async function readAtMost(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** How much of a stream has to arrive before the time that it may keep its reader waiting begins anew. */
const PROGRESS_BYTES = 1_024;

/**
 * A body of any size in pieces, given up when it stops arriving: when its reader has waited `timeoutMs` for the same
 * kilobyte. The time that the reader takes for itself does not count.
 *
 * @throws {BackscrollError} request_timeout
 */
export async function* piecesInTime(
  body: ReadableStream<Uint8Array>,
  timeoutMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader();
  let waitedMs = 0;
  let bytes = 0;
  try {
    for (;;) {
      const askedAt = performance.now();
      const { done, value } = await inTime(reader.read(), timeoutMs - waitedMs);
      if (done) return;
      waitedMs += performance.now() - askedAt;
      bytes += value.length;
      if (bytes >= PROGRESS_BYTES) [waitedMs, bytes] = [0, 0];
      yield value;
    }
  } finally {
    // Not awaited: what has not come may never come.
    reader.cancel().catch(() => undefined);
  }
}

async function inTime<Result>(arriving: Promise<Result>, timeoutMs: number): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new BackscrollError("request_timeout", "the body took too long to arrive; send it again")),
    timeoutMs,
  );
  try {
    return await Promise.race([arriving, late.promise]);
  } catch (error) {
    if (isBrokenOff(error)) {
      throw new BackscrollError(
        "request_timeout",
        "the body broke off before its end; send it again",
        {},
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** @returns whether the client went before it had sent everything: nobody's bug, and nobody reads the answer */
function isBrokenOff(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "AbortError" || ("code" in error && error.code === "ECONNRESET");
}

function tooLarge(bytesMax: number): BackscrollError {
  return new BackscrollError(
    "body_too_large",
    `a request's body may be ${bytesMax} bytes. Send less, or raise BODY_BYTES_MAX`,
  );
}

/** @returns the error for a body that is not JSON, with the position of the first character that is wrong */
export function malformedJson(text: string): BackscrollError {
  if (text.trim() === "") {
    return new BackscrollError(
      "malformed_json",
      `the body is empty: it ends at position ${text.length} without any JSON`,
    );
  }
  return new BackscrollError(
    "malformed_json",
    `the body is not JSON: what is at position ${positionOfError(text)} does not belong there`,
  );
}

/** V8 tells it for most texts; for the others the tokenizer does; what is left ends too early. */
function positionOfError(text: string): number {
  try {
    JSON.parse(text);
  } catch (error) {
    const told = /at position (\d+)/.exec(errorMessage(error))?.[1];
    if (told !== undefined) return Number(told);
  }
  let bytes = Buffer.byteLength(text);
  let lastToken = 0;
  const parser = new JSONParser();
  parser.onValue = () => undefined;
  parser.onToken = ({ offset }) => {
    lastToken = offset;
  };
  parser.onError = (error) => {
    bytes = Number(/absolute position "(\d+)"/.exec(error.message)?.[1] ?? lastToken);
  };
  parser.write(text);
  return Buffer.from(text).subarray(0, bytes).toString().length;
}
