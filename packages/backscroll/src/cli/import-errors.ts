import { accessSync, closeSync, constants, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errorMessage } from "../domain/errors.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

/** How many are also shown at once; all of them are in the file. */
const SHOWN = 10;

/**
 * What could not be imported: one line of JSON an item, in a file that is made with the first of them. Each line is
 * there as soon as it is told, whatever becomes of the command.
 */
export class ImportErrors {
  readonly path: string;
  #count = 0;
  #file: number | null = null;
  readonly #terminal: Terminal;

  /** @throws {CommandError} when no file can be made there */
  constructor(terminal: Terminal, path: string) {
    this.#terminal = terminal;
    this.path = path;
    this.#attempt(() => accessSync(dirname(path), constants.W_OK));
  }

  get count(): number {
    return this.#count;
  }

  /**
   * @param item a line of the file: where it was, its code and message; no content
   * @param shown the same for people
   */
  add(item: object, shown: string): void {
    this.#count += 1;
    if (this.#count <= SHOWN) this.#terminal.warn(shown);
    this.#attempt(() => {
      // Only its owner's: ids may be secrets.
      this.#file ??= openSync(this.path, "w", 0o600);
      writeSync(this.#file, `${JSON.stringify(item)}\n`);
    });
  }

  /** Says where the file is, if there is one. */
  close(): void {
    if (this.#file === null) return;
    closeSync(this.#file);
    this.#file = null;
    const shown = Math.min(this.#count, SHOWN);
    const others = this.#count > shown ? `, the ${(this.#count - shown).toLocaleString("en")} others too` : "";
    this.#terminal.warn(`What could not be imported is in ${this.path}${others}.`);
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw new CommandError(EXIT.usage, `cannot write ${this.path}: ${errorMessage(error)}`, { cause: error });
    }
  }
}
