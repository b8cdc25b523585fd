/** One event stream that is open. */
export interface StreamSlot {
  /** Gives it back; once is enough, and more does nothing. */
  release(): void;
}

/**
 * How many event streams a user holds open. All servers on one Redis share the count; while that is away each server
 * counts its own.
 */
export interface StreamSlots {
  /**
   * Never rejects.
   *
   * @param max how many the user may hold
   * @returns null when there are as many
   */
  open(userId: number, max: number): Promise<StreamSlot | null>;
}
