import pc from "picocolors";

/** How the command was asked to speak. Data goes to stdout, everything for people to stderr. */
export interface Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  /** A line for people; not with `--quiet`, nor when the data itself is JSON for a program. */
  say(line: string): void;
  warn(line: string): void;
  /** The command's result, on stdout. */
  data(text: string): void;
}

export function createTerminal({ json = false, quiet = false }: { json?: boolean; quiet?: boolean }): Terminal {
  return {
    json,
    quiet,
    say: (line) => void (quiet || json || process.stderr.write(`${line}\n`)),
    warn: (line) => void process.stderr.write(`${pc.yellow("!")} ${line}\n`),
    data: (text) => void process.stdout.write(text),
  };
}

/** Exit codes: 0 is success. */
export const EXIT = { failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

/** Ends the command with this exit code, after saying why and what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export interface Progress {
  update(done: number, total: number | null, unit: string): void;
  /** Clears the bar. */
  end(): void;
}

const LINE_INTERVAL_MS = 5_000;
const BAR_INTERVAL_MS = 100;
const BAR_WIDTH = 24;

/** A bar on a terminal; one plain line every 5 seconds otherwise. */
export function createProgress(terminal: Terminal, label: string): Progress {
  const bar = process.stderr.isTTY && !terminal.quiet && !terminal.json;
  let lastAt = performance.now();
  let shown = false;
  return {
    update(done, total, unit) {
      const now = performance.now();
      if (now - lastAt < (bar ? BAR_INTERVAL_MS : LINE_INTERVAL_MS)) return;
      lastAt = now;
      const share = total === null || total === 0 ? null : Math.min(1, done / total);
      const counts = `${done.toLocaleString("en")}${total === null ? "" : ` of ${total.toLocaleString("en")}`} ${unit}`;
      if (!bar) return terminal.say(`${label}: ${counts}`);
      const filled = share === null ? "" : `${"█".repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, "░")} `;
      shown = true;
      process.stderr.write(`\r\u001b[K${label} ${filled}${counts}`);
    },
    end() {
      if (shown) process.stderr.write("\r\u001b[K");
    },
  };
}
