import { createReadStream, open, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { errorMessage } from "../domain/errors.ts";
import { CommandError, EXIT } from "./terminal.ts";

/** A file that is imported, or standard input. */
export interface ImportSource {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** how many bytes of it have been read */
  readonly bytesRead: () => number;
  /** null: nobody knows */
  readonly bytes: number | null;
  /** when it was written; now, when nobody knows */
  readonly writtenAt: Date;
  /** Ends a reading that waits for somebody to write. */
  close(): void;
}

/** @param file - for standard input @throws {CommandError} */
export async function importSource(file: string): Promise<ImportSource> {
  const found = file === "-" ? null : await statFile(file);
  const isFile = found?.isFile() === true;
  let bytesRead = 0;
  let stream: Readable | null = null;
  async function* counted(): AsyncGenerator<Uint8Array> {
    stream = found === null ? process.stdin : isFile ? createReadStream(file) : await openPipe(file);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytesRead += chunk.length;
      yield chunk;
    }
  }
  return {
    chunks: counted(),
    bytesRead: () => bytesRead,
    bytes: isFile ? found.size : null,
    writtenAt: isFile ? found.mtime : new Date(),
    close: () => void stream?.destroy(),
  };
}

/** As `<(zcat dump.json.gz)` is one. Reads of it do not wait in a thread, which would keep the process from ending. */
async function openPipe(file: string): Promise<Readable> {
  const fd = await promisify(open)(file, "r");
  return new Socket({ fd, readable: true, writable: false });
}

async function statFile(file: string): Promise<Stats> {
  try {
    const found = await stat(file);
    if (found.isDirectory()) throw new Error("it is a directory");
    if (!found.isFile() && !found.isFIFO()) throw new Error("it is neither a file nor a pipe; - is standard input");
    return found;
  } catch (error) {
    throw new CommandError(EXIT.usage, `cannot read ${file}: ${errorMessage(error)}`, { cause: error });
  }
}
