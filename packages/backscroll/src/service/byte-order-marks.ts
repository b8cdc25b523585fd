import type { Tokenizer } from "@streamparser/json";

/** The tokenizer's decoder takes U+FEFF for a byte order mark wherever a piece of text begins with it, and drops it. */
export function keepByteOrderMarks(tokenizer: Tokenizer): void {
  const { bufferedString } = tokenizer as unknown as { bufferedString: { decoder: unknown } };
  bufferedString.decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
}
