import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
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
}

/** @param file - for standard input @throws {CommandError} */
export async function importSource(file: string): Promise<ImportSource> {
  const found = file === "-" ? null : await statFile(file);
  let bytesRead = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    const source = file === "-" ? process.stdin : createReadStream(file);
    for await (const chunk of source as AsyncIterable<Buffer>) {
      bytesRead += chunk.length;
      yield chunk;
    }
  }
  return {
    chunks: counted(),
    bytesRead: () => bytesRead,
    bytes: found?.size ?? null,
    writtenAt: found?.mtime ?? new Date(),
  };
}

async function statFile(file: string): Promise<{ size: number; mtime: Date }> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new Error("it is not a file");
    return found;
  } catch (error) {
    throw new CommandError(EXIT.usage, `cannot read ${file}: ${errorMessage(error)}`, { cause: error });
  }
}
