/** Short messages between servers that are there now. One that is lost is lost: who needs to know also looks for himself. */
export interface Signals {
  /** Best effort: never throws, and nobody waits for it. */
  send(channel: string, payload: string): void;
  /**
   * @param onSignal called for every signal sent on the channel by any server, this one included
   * @param onMissed called when signals may have been missed until now: once listening has begun where that takes
   * time, and after every reconnect
   * @returns stops listening
   */
  listen(channel: string, onSignal: (payload: string) => void, onMissed: () => void): () => void;
}
