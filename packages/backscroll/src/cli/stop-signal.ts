import { EXIT, type Terminal } from "./terminal.ts";

export interface StopSignal {
  readonly requested: Promise<void>;
  /** As if somebody had pressed Ctrl+C. */
  request(): void;
  dispose(): void;
}

const ECHO_MS = 500;

/**
 * SIGINT or SIGTERM: stop; a second one: at once, with 130.
 *
 * @param onQuit called just before
 */
export function stopSignal(terminal: Terminal, onQuit: () => void = () => undefined): StopSignal {
  const { promise, resolve } = Promise.withResolvers<void>();
  let askedAt: number | undefined;
  const onSignal = (): void => {
    const sinceMs = askedAt === undefined ? undefined : performance.now() - askedAt;
    if (sinceMs !== undefined) {
      // One Ctrl+C under npm arrives twice: from the terminal, and passed on by npm.
      if (sinceMs < ECHO_MS) return;
      terminal.say("Quit at once.");
      onQuit();
      process.exit(EXIT.interrupted);
    }
    askedAt = performance.now();
    resolve();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return {
    requested: promise,
    request: onSignal,
    dispose: () => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal),
  };
}

/**
 * For a command that finishes what it has begun, and says so.
 *
 * @param saying what it does then, for whoever asked
 * @returns a signal that is aborted when somebody asks it to stop
 */
export function abortWhenAsked(
  terminal: Terminal,
  saying = "Stopping: what has been begun is finished.",
): { readonly signal: AbortSignal; dispose(): void } {
  const stopped = new AbortController();
  const stop = stopSignal(terminal);
  const wait = async (): Promise<void> => {
    await stop.requested;
    terminal.say(saying);
    stopped.abort();
  };
  void wait();
  return { signal: stopped.signal, dispose: () => stop.dispose() };
}
