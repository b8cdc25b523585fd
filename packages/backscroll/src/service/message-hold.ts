import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonValue } from "../domain/json.ts";

/** What is over it goes to a file. */
const MEMORY_BYTES_MAX = 1_048_576;
const LINE_END = 0x0a;

/**
 * The messages of one session, to be read as often as needed: its owner, its time and its context may come behind them,
 * and what Backscroll has of them is compared first. A few are in memory; of many, one piece at a time.
 */
export class MessageHold {
  /** how many there are */
  length = 0;
  #values: (JsonValue | undefined)[] = [];
  #bytes = 0;
  #file: FileHandle | null = null;

  /** @param value undefined: one that was too large to be read */
  add(value: JsonValue | undefined, bytes: number): void {
    this.#values.push(value);
    this.#bytes += bytes;
    this.length += 1;
  }

  /** Moves them out of memory, if they are many. */
  async settle(): Promise<void> {
    if (this.#bytes <= MEMORY_BYTES_MAX) return;
    // JSON has no line ends of its own, and escapes what UTF-8 cannot hold.
    const lines = this.#values.map((value) => (value === undefined ? "\n" : `${JSON.stringify(value)}\n`));
    this.#values = [];
    this.#bytes = 0;
    this.#file ??= await openUnnamed();
    await this.#file.appendFile(lines.join(""));
  }

  /** @returns all of them in their order, in pieces */
  async *pieces(): AsyncGenerator<readonly (JsonValue | undefined)[]> {
    if (this.#file) yield* readLines(this.#file);
    if (this.#values.length > 0) yield this.#values;
  }

  async remove(): Promise<void> {
    this.#values = [];
    await this.#file?.close();
    this.#file = null;
  }
}

/** A file that is gone when it is closed, and with the process, however that ends. */
async function openUnnamed(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), "backscroll-import-"));
  try {
    return await open(join(directory, "messages"), "wx+", 0o600);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function* readLines(file: FileHandle): AsyncGenerator<readonly (JsonValue | undefined)[]> {
  let begun: Buffer[] = [];
  const chunks = file.createReadStream({ start: 0, autoClose: false, highWaterMark: MEMORY_BYTES_MAX });
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    const values: (JsonValue | undefined)[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end !== -1; end = chunk.indexOf(LINE_END, from)) {
      const line = Buffer.concat([...begun, chunk.subarray(from, end)]).toString();
      begun = [];
      from = end + 1;
      values.push(line === "" ? undefined : (JSON.parse(line) as JsonValue));
    }
    begun.push(chunk.subarray(from));
    if (values.length > 0) yield values;
  }
}
