import type { RedisLink } from "../../cache/redis/redis-link.ts";
import { loadScript, runScript } from "../../cache/redis/scripts.ts";
import { unlinkAll } from "../../cache/redis/unlink-all.ts";
import type { Change, FeedEntry, ReadyEntry } from "../change-feed.ts";

export interface ChangeStreamOptions {
  /** how many changes of a user are kept, about */
  readonly entriesMax: number;
  /** for how long, after the last listener went */
  readonly keepMs: number;
}

/** The changes of each user as a Redis Stream: there is one of everybody who listens, or did a while ago. */
export interface ChangeStreams {
  /** @returns null when there is no stream: nobody listens */
  add(userId: number, change: Change): Promise<string | null>;
  /** Makes the stream when there is none. @returns the id of its newest entry */
  open(userId: number): Promise<string>;
  /** Lets it stay. */
  keep(userId: number): Promise<unknown>;
  /**
   * Reads what comes after one entry, to another, or to the end.
   *
   * @returns null when one of the two is not there, so that what is between them cannot be known
   */
  read(userId: number, after: string, upTo?: string): Promise<readonly (FeedEntry | ReadyEntry)[] | null>;
  /** Whoever comes back with a cursor finds that changes were missed. */
  drop(userId: number): Promise<unknown>;
  dropAll(): Promise<unknown>;
  /** another object after whatever may have cost the stream its newest entries */
  incarnation(userId: number): object;
}

type Row = readonly [id: Buffer, fields: readonly [name: Buffer, value: Buffer]];

/** @param prefix carries the id of the database */
export function createChangeStreams(
  link: RedisLink,
  prefix: string,
  { entriesMax, keepMs }: ChangeStreamOptions,
): ChangeStreams {
  const openScript = loadScript("open-changes");
  // The braces are literal.
  const keyOf = (userId: number): string => `${prefix}changes:{${userId}}`;
  const send = (userId: number, name: string, ...args: readonly string[]): Promise<unknown> => {
    const key = keyOf(userId);
    return link.send(key, [name, key, ...args]);
  };
  return {
    async add(userId, change) {
      const entry = ["*", "change", JSON.stringify(change)];
      const added = await send(userId, "XADD", "NOMKSTREAM", "MAXLEN", "~", String(entriesMax), ...entry);
      const id = added as Buffer | null;
      return id === null ? null : id.toString();
    },
    open: async (userId) => String(await runScript(link, openScript, [keyOf(userId)], [String(keepMs)])),
    keep: (userId) => send(userId, "PEXPIRE", String(keepMs)),
    async read(userId, after, upTo = "+") {
      const rows = (await send(userId, "XRANGE", after, upTo)) as readonly Row[];
      // The oldest entries go first: while this one is there, so is all that follows.
      if (String(rows[0]?.[0]) !== after) return null;
      if (upTo !== "+" && String(rows.at(-1)?.[0]) !== upTo) return null;
      return rows.slice(1).map(toEntry);
    },
    drop: (userId) => send(userId, "UNLINK"),
    dropAll: () => link.sendToAll((sendToOne) => unlinkAll(sendToOne, `${prefix}changes:`)),
    incarnation: (userId) => link.node(keyOf(userId)).incarnation,
  };
}

function toEntry([id, [name, value]]: Row): FeedEntry | ReadyEntry {
  return {
    id: String(id),
    change: String(name) === "change" ? (JSON.parse(value.toString()) as Change) : null,
  };
}
