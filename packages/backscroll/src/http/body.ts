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
    const bytes = Number.isNaN(declared) ? await readAtMost(c.req.raw.body, bodyBytesMax) : await c.req.raw.arrayBuffer();
    try {
      c.req.bodyCache.text = utf8.decode(bytes);
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
  return new BackscrollError("body_too_large", `a request's body may be ${bytesMax} bytes. Send less, or raise BODY_BYTES_MAX`);
}

/** @returns the error for a body that `JSON.parse` refused; says where, which V8 does not always */
export function malformedJson(text: string): BackscrollError {
  let problem = "the body ends too early";
  const parser = new JSONParser();
  parser.onValue = () => undefined;
  parser.onError = (error) => {
    problem = errorMessage(error);
  };
  try {
    parser.write(text);
    if (!parser.isEnded) parser.end();
  } catch (error) {
    problem = errorMessage(error);
  }
  const position = /at position "?(\d+)"?/.exec(problem)?.[1] ?? String(text.length);
  return new BackscrollError("malformed_json", `the body is not JSON: unexpected text or end at position ${position}`);
}
