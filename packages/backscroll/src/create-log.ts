import { type Logger, pino } from "pino";
import type { Config } from "./config.ts";

/** Of lines that wait for each other: one write takes them all, which is 3 µs of CPU a line instead of 5. */
const BUFFER_BYTES = 2_048;
/** What a pipe takes in one piece (PIPE_BUF of pipe(7)): more, and the lines of several workers break into each other. */
const WRITE_BYTES_MAX = 4_096;
const FLUSH_MS = 1_000;
const STDERR = 2;
const WARN = 40;

export interface LogOptions extends Pick<Config, "logLevel" | "logFormat"> {
  /**
   * true: lines wait for others, a second at most, or for a warning. They are written when the process exits, by a bug
   * too; what kills it takes them along. For a process that is Backscroll alone.
   */
  readonly buffered?: boolean;
  /** where to; standard error unless told */
  readonly fd?: number;
}

/** Lines go to standard error: as JSON, or as text for people. */
export async function createLog({ logLevel, logFormat, buffered = false, fd = STDERR }: LogOptions): Promise<Logger> {
  const options = {
    level: logLevel,
    base: null,
    // An error comes as what a line may hold of it: pino's own serializer would name it after what holds it, an Object.
    serializers: { err: (error: unknown) => error },
  };
  if (logFormat === "pretty" || (logFormat === "auto" && process.stderr.isTTY)) {
    const { openPrettyLog } = await import("./pretty-log.ts");
    return pino(options, openPrettyLog(fd));
  }
  // Always written by this thread: nothing is on its way when the process exits.
  const unbuffered = { fd, sync: true };
  if (!buffered) return pino(options, pino.destination(unbuffered));
  const destination = pino.destination({
    ...unbuffered,
    minLength: BUFFER_BYTES,
    maxWrite: WRITE_BYTES_MAX,
    periodicFlush: FLUSH_MS,
  });
  process.on("exit", () => destination.flushSync());
  const stream = {
    [pino.symbols.needsMetadataGsym]: true as const,
    lastLevel: 0,
    write(line: string) {
      destination.write(line);
      if (this.lastLevel >= WARN) destination.flushSync();
    },
  };
  return pino(options, stream);
}
