import pc from "picocolors";
import type { DestinationStream } from "pino";
import { default as prettyStream } from "pino-pretty";

type Colors = ReturnType<typeof pc.createColors>;
type Line = Readonly<Record<string, unknown>>;

const WARN = 40;
const ERROR = 50;
const LEVELS: Readonly<Record<number, string>> = { 20: "debug", 40: "warn", 50: "error", 60: "fatal" };
/** Shown by the line itself, or of no use to who looks on. */
const SHOWN = [
  "time",
  "level",
  "method",
  "route",
  "status",
  "ms",
  "cache",
  "code",
  "openMs",
  "ended",
  "error",
  "cause",
];
const HIDDEN = ["user", "requestId", "traceId", "operation", "result"];

/** One line for people a log line, e.g. `12:03:04 GET /api/conversations/{id}/messages 200 1.2 ms hit`. */
export function openPrettyLog(fd: number): DestinationStream {
  const isColorful = process.stderr.isTTY && (process.env["NO_COLOR"] ?? "") === "";
  const colors = pc.createColors(isColorful);
  return prettyStream({
    destination: fd,
    sync: true,
    // The line colours itself: all in one colour it would say nothing.
    colorize: false,
    singleLine: true,
    ignore: [...SHOWN, ...HIDDEN].join(","),
    messageFormat: (line) => prettyLine(line, colors),
  });
}

function prettyLine(line: Line, colors: Colors): string {
  const level = Number(line["level"]);
  const time = colors.dim(new Date(Number(line["time"])).toTimeString().slice(0, 8));
  const label = LEVELS[level];
  const paint = level >= ERROR ? colors.red : level >= WARN ? colors.yellow : colors.dim;
  const said = "route" in line ? requestText(line, colors) : String(line["msg"]);
  const reasons = [line["error"], line["cause"]].filter((reason) => typeof reason === "string");
  const words = [time, label && paint(label), [said, ...reasons.map(printable)].join(": ")];
  // What else is known of a failure has the same id.
  if (level >= WARN && "requestId" in line) words.push(colors.dim(`request ${String(line["requestId"])}`));
  return words.filter(Boolean).join(" ");
}

/** What a server says of itself must not steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}

function requestText(line: Line, colors: Colors): string {
  const status = Number(line["status"]);
  const paint = status >= 500 ? colors.red : status >= 400 ? colors.yellow : colors.green;
  const words = [
    line["method"],
    String(line["route"]).replaceAll(/:(\w+)/g, "{$1}"),
    paint(String(status)),
    `${Number(line["ms"]).toFixed(1)} ms`,
    typeof line["cache"] === "string" && colors.dim(line["cache"]),
    typeof line["code"] === "string" && paint(line["code"]),
    typeof line["openMs"] === "number" && colors.dim(`open ${(line["openMs"] / 1_000).toFixed(1)} s`),
    (line["ended"] === "left" || line["ended"] === "broken") && colors.dim(line["ended"]),
  ];
  return words.filter((word) => word !== false).join(" ");
}
