import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  renameSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errorMessage } from "../domain/errors.ts";
import { shown as inDigits } from "./counted.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

/** How many are also shown at once; all of them are in the file. */
const SHOWN = 10;
/** Where the file of the run before goes. */
const OLD = ".old";

/**
 * What could not be imported: one line of JSON an item, in a file that is made with the first of them. Each line is
 * there as soon as it is told, whatever becomes of the command. A file that is there is moved away, never written over:
 * it may be another run's.
 */
export class ImportErrors {
  readonly #terminal: Terminal;
  #path: string;
  #count = 0;
  #file: number | null = null;

  /**
   * @param dump the file that is imported, if it is one
   * @throws {CommandError} when no file can be made there, or it is the dump
   */
  constructor(terminal: Terminal, path: string, dump: string | null = null) {
    this.#terminal = terminal;
    this.#path = path;
    attempt(EXIT.usage, path, () => {
      const found = statOf(path);
      if (found?.isDirectory() === true) throw new Error("it is a directory");
      const read = dump === null ? undefined : statOf(dump);
      if (isSame(found, read)) throw new Error("it is the dump itself");
      accessSync(found && !found.isFile() ? path : dirname(path), constants.W_OK);
      if (found?.isFile() !== true) return;
      if (isSame(statOf(path + OLD), read))
        throw new Error(`the one that is there would be moved to the dump, ${path}${OLD}`);
      renameSync(path, path + OLD);
    });
  }

  get path(): string {
    return this.#path;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param item a line of the file: where it was, its code and message; no content
   * @param shown the same for people
   * @throws {CommandError} when it cannot be written
   */
  add(item: object, shown: string): void {
    this.#count += 1;
    if (this.#count <= SHOWN) this.#terminal.warn(shown);
    const what = "what has been imported is kept: run it again when it can be written";
    this.#file ??= attempt(EXIT.failed, this.#path, () => this.#open(), what);
    const file = this.#file;
    attempt(EXIT.failed, this.#path, () => writeSync(file, `${JSON.stringify(item)}\n`), what);
  }

  /** Says where the file is, if there is one. */
  close(): void {
    if (this.#file === null) return;
    const file = fstatSync(this.#file);
    closeSync(this.#file);
    this.#file = null;
    const place = !file.isFile() || isSame(statOf(this.#path), file) ? this.#path : this.#path + OLD;
    const others = this.#count > SHOWN ? `, the ${inDigits(this.#count - SHOWN)} others too` : "";
    this.#terminal.warn(`What could not be imported is in ${place}${others}.`);
  }

  #open(): number {
    const named = this.#path;
    for (let n = 2; ; n += 1) {
      const found = statOf(this.#path);
      if (found && !found.isFile()) return openSync(this.#path, "a");
      try {
        // Only its owner's: ids may be secrets.
        return openSync(this.#path, "ax", 0o600);
      } catch (error) {
        if (!isThere(error)) throw error;
        // Another run has made it meanwhile.
        this.#path = `${named}.${n}`;
      }
    }
  }
}

/** @returns undefined when there is none */
function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isSame(a: Stats | undefined, b: Stats | undefined): boolean {
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function isThere(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}

/** @throws {CommandError} */
function attempt<Result>(exitCode: number, path: string, write: () => Result, what?: string): Result {
  try {
    return write();
  } catch (error) {
    const problem = `cannot write ${path}: ${errorMessage(error)}${what === undefined ? "" : `; ${what}`}`;
    throw new CommandError(exitCode, problem, { cause: error });
  }
}
