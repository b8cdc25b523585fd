import { JSONParser } from "@streamparser/json";
import type { MiddlewareHandler } from "hono";
import { BackscrollError, errorMessage } from "../domain/errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the body of a request as text, within the limit, where the route's validator finds it.
 *
 * @throws {BackscrollError} body_too_large, malformed_json when it is not UTF-8
 */
export function readBody(bodyBytesMax: number): MiddlewareHandler {
  return async (c, next) => {
    const declared = Number(c.req.header("content-length") ?? Number.NaN);
    if (declared > bodyBytesMax) throw tooLarge(bodyBytesMax);
    const bytes = Number.isNaN(declared)
      ? await readAtMost(c.req.raw.body, bodyBytesMax)
      : await c.req.raw.arrayBuffer();
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
