import { createParser } from "eventsource-parser";

/** A body longer than its bound; whoever reads it says so in its own words. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

/** A body that is not UTF-8, so nobody knows what it says. */
export class BodyNotText extends Error {
  override readonly name = "BodyNotText";
}

/** @throws {BodyTooLarge | BodyNotText} or whatever the connection threw */
export async function readText(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new BodyTooLarge();
    chunks.push(chunk);
  }
  return decode(new TextDecoder("utf-8", { fatal: true }), Buffer.concat(chunks), false);
}

/**
 * The `data` of each server-sent event. The last one is told even when its blank line is missing, as simple servers
 * leave it: `whole` is then false.
 *
 * @param charsMax of one event
 * @throws {BodyTooLarge | BodyNotText} or whatever the connection threw
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  charsMax: number,
): AsyncGenerator<{ data: string; whole: boolean }> {
  const events: string[] = [];
  let tooLarge = false;
  const parser = createParser({
    maxBufferSize: charsMax,
    onEvent: (event) => events.push(event.data),
    // unknown fields and retry times are not ours to judge
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") tooLarge = true;
    },
  });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of body) {
    parser.feed(decode(decoder, chunk, true));
    for (const data of events.splice(0)) yield { data, whole: true };
    if (tooLarge) throw new BodyTooLarge();
  }
  parser.feed("\n\n");
  for (const data of events) yield { data, whole: false };
}

function decode(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, stream: boolean): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch {
    throw new BodyNotText();
  }
}
