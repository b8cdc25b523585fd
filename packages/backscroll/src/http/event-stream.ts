/** Proxies close what is silent for longer: 60 s by default in nginx, less in some. */
const KEEP_ALIVE_MS = 15_000;

export const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream",
  // What compresses or buffers on the way would hold events back.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
} as const;

/** `left`: who read it went before its end; `broken`: it failed */
export type StreamEnd = "whole" | "left" | "broken";

export interface EventStreamOptions {
  /** a comment is sent when nothing else has been for so long */
  readonly keepAliveMs?: number;
  /** called when the stream has ended, however it did: at least once, if anybody reads it or gives it up; the first counts */
  readonly onEnd?: (end: StreamEnd) => void;
  /** told why it broke off; whoever reads it is not */
  readonly onError?: (error: unknown) => void;
}

const encoder = new TextEncoder();
const COMMENT = encoder.encode(": keep-alive\n\n");
const QUIET = Symbol("quiet");

/**
 * Server-sent events, made only as fast as they are read: a slow client holds back nobody but itself.
 *
 * @param events their text
 * @param left aborted when the client goes; the events have to end with it
 */
export function eventStream(
  events: AsyncGenerator<string, void, undefined>,
  left: AbortController,
  { keepAliveMs = KEEP_ALIVE_MS, onEnd, onError }: EventStreamOptions = {},
): ReadableStream<Uint8Array> {
  let coming: Promise<IteratorResult<string, void>> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        coming ??= events.next();
        const next = await orQuiet(coming, keepAliveMs, left.signal).catch((error: unknown) => {
          onEnd?.("broken");
          onError?.(error);
          throw brokenOff();
        });
        if (left.signal.aborted) return;
        if (next === QUIET) {
          controller.enqueue(COMMENT);
          return;
        }
        coming = undefined;
        if (next.done !== true) controller.enqueue(encoder.encode(next.value));
        else {
          onEnd?.("whole");
          controller.close();
        }
      },
      async cancel() {
        left.abort();
        onEnd?.("left");
        await events.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** What takes a stream may print why it broke off, or say it to the client. */
export function brokenOff(): Error {
  return new Error("the answer broke off; the log says why");
}

/** @returns `QUIET` when nothing comes for so long, or nobody waits for it any more */
async function orQuiet<Item>(coming: Promise<Item>, ms: number, left: AbortSignal): Promise<Item | typeof QUIET> {
  const quiet = Promise.withResolvers<typeof QUIET>();
  const wake = (): void => quiet.resolve(QUIET);
  const timer = setTimeout(wake, ms);
  left.addEventListener("abort", wake);
  try {
    return await Promise.race([coming, quiet.promise]);
  } finally {
    clearTimeout(timer);
    left.removeEventListener("abort", wake);
  }
}
