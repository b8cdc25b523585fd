import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";

/** A dump that was made. */
export interface MadeDump {
  readonly file: string;
  readonly sessions: number;
  readonly messages: number;
  readonly bytes: number;
}

const SENTENCE =
  "Could you tell me what the weather will be like in Bergen next week? We leave on Monday, there are four of us. ";

/** As Python's `json.dump(SESSIONS, default=str)` writes it: naive times, every other score a NaN, the context behind. */
export async function makeDump(file: string, lengths: Iterable<number>, contentBytes: number): Promise<MadeDump> {
  const out = createWriteStream(file);
  let sessions = 0;
  let messages = 0;
  await write(out, "{");
  for (const length of lengths) {
    await write(out, `${sessions === 0 ? "" : ", "}"session-${sessions}": {"messages": [`);
    let text = "";
    for (let i = 0; i < length; i += 1) {
      text += `${i === 0 ? "" : ", "}${messageText(messages, i, contentBytes)}`;
      messages += 1;
      if (text.length < 1_000_000) continue;
      await write(out, text);
      text = "";
    }
    await write(
      out,
      `${text}], "context": {"email": "user-${sessions % 50}@example.com"}, "created_at": "2024-05-01 08:00:00.123456"}`,
    );
    sessions += 1;
  }
  await write(out, "}");
  out.end();
  await finished(out);
  return { file, sessions, messages, bytes: out.bytesWritten };
}

function messageText(nth: number, place: number, contentBytes: number): string {
  const role = place % 2 === 0 ? "user" : "assistant";
  const content = `${nth} caf\\u00e9: ${SENTENCE.repeat(Math.ceil(contentBytes / SENTENCE.length))}`.slice(
    0,
    contentBytes,
  );
  const seconds = String(place % 60).padStart(2, "0");
  const minutes = String(Math.floor(place / 60) % 60).padStart(2, "0");
  const score = nth % 2 === 0 ? "NaN" : "0.5";
  return `{"role": "${role}", "content": "${content}", "timestamp": "2024-05-01 09:${minutes}:${seconds}.789012", "score": ${score}}`;
}

async function write(out: WriteStream, text: string): Promise<void> {
  if (!out.write(text)) await once(out, "drain");
}

/** @returns lengths of sessions as people make them, most of them short, until they are so many messages in all */
export function* sessionLengths(messages: number): Generator<number> {
  for (let n = 0, left = messages; left > 0; n += 1) {
    const length = Math.min(left, n % 200 === 7 ? 2_000 : 4 + ((n * 37) % 73));
    left -= length;
    yield length;
  }
}
