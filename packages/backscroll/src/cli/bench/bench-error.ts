/** The run cannot go on; the message says why and what to do. */
export class BenchError extends Error {
  override readonly name = "BenchError";
}
