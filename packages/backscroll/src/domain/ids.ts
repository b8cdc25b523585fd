import { v5 as uuidv5, v7 as uuidv7 } from "uuid";

/**
 * What an id of the API may look like: SDKs mint sixteen characters, a migrated app keeps its cuids. Not `.` and
 * `..`: in a path, every client would take them for the folder.
 */
export const ID_PATTERN = /^(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,128}$/;

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Namespace of every UUIDv5 made here (RFC 9562, 5.5); a random one, fixed for ever. */
const NAMESPACE = "6f1c3b1e-54f4-4b43-9d0e-6d5c9c2a7f10";

/** Randomness for 256 ids at a time: asking the system for 16 bytes costs more than all the rest. */
const random = new Uint8Array(4_096);
let randomUsed = random.length;

/** @returns a new time-ordered id */
export function mintId(): string {
  if (randomUsed === random.length) {
    crypto.getRandomValues(random);
    randomUsed = 0;
  }
  randomUsed += 16;
  return uuidv7({ random: random.subarray(randomUsed - 16, randomUsed) });
}

/** The id as stored: `clientId` is null when the caller's id is a UUID and is stored as it is. */
export interface StoredId {
  readonly id: string;
  readonly clientId: string | null;
}

/**
 * Maps an id of the API to the UUID it is stored as. A UUID in lower case is stored as it is;
 * anything else as the UUIDv5 of (user, id), so that the same words of two people never meet.
 */
export function toStoredId(userId: number, id: string): StoredId {
  if (UUID_PATTERN.test(id)) return { id, clientId: null };
  return { id: uuidv5(`${userId}:${id}`, NAMESPACE), clientId: id };
}

/** @returns an id that is always the same for the same seed and purpose, so that a retry finds what the first try stored */
export function deriveId(seed: string, purpose: string): string {
  return uuidv5(`${purpose}:${seed}`, NAMESPACE);
}
