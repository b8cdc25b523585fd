import { onTestFinished } from "vitest";
import { type Inspector, type Lanes, startTcpRelay } from "./tcp-relay.ts";

export type CommandMatcher = (command: readonly string[]) => boolean;

/** Between one server and its Redis: a command can be stopped on its way, so that a race is an order and not luck. */
export interface RedisRelay {
  readonly url: string;
  /** The next command that matches waits, and everything behind it on its connection. */
  hold(matches: CommandMatcher): HeldCommand;
}

interface HeldCommand {
  /** resolves when the command has come */
  readonly came: Promise<void>;
  /** Lets it go on to Redis. */
  release(): void;
}

interface Hold {
  readonly matches: CommandMatcher;
  readonly came: () => void;
  /** set when the command has come: sends what waits */
  flush?: () => void;
}

/** Starts a relay to a Redis; it ends with the test. */
export async function startRedisRelay(redisPort: number): Promise<RedisRelay> {
  let hold: Hold | null = null;
  const inspect = ({ toServer, toClient }: Lanes): Inspector => {
    let unread: Buffer = Buffer.alloc(0);
    return {
      fromServer: (chunk) => toClient.write(chunk),
      fromClient(chunk) {
        unread = Buffer.concat([unread, chunk]);
        for (let next = takeCommand(unread); next !== null; next = takeCommand(unread)) {
          const { command, bytes } = next;
          unread = unread.subarray(bytes.length);
          if (hold !== null && !hold.flush && !toServer.isHeld && hold.matches(command)) {
            toServer.hold();
            hold.flush = () => toServer.release();
            hold.came();
          }
          toServer.write(bytes);
        }
      },
    };
  };
  const relay = await startTcpRelay({ host: "127.0.0.1", port: redisPort }, inspect);
  onTestFinished(() => relay.close());
  return {
    url: `redis://127.0.0.1:${relay.port}`,
    hold(matches) {
      const { promise: came, resolve } = Promise.withResolvers<void>();
      const own: Hold = { matches, came: resolve };
      hold = own;
      return {
        came,
        release() {
          if (hold === own) hold = null;
          own.flush?.();
        },
      };
    },
  };
}

/** @returns the first command of what a client sent (an array of bulk strings), null while it is not all there */
function takeCommand(sent: Buffer): { command: readonly string[]; bytes: Buffer } | null {
  let end = 0;
  const line = (): string | null => {
    const from = end;
    const to = sent.indexOf("\r\n", from);
    if (to === -1) return null;
    end = to + 2;
    return sent.toString("latin1", from, to);
  };
  const head = line();
  if (head === null) return null;
  const command: string[] = [];
  for (let left = Number(head.slice(1)); left > 0; left -= 1) {
    const length = line();
    if (length === null) return null;
    const from = end;
    end += Number(length.slice(1)) + 2;
    if (end > sent.length) return null;
    command.push(sent.toString("utf8", from, end - 2));
  }
  return { command, bytes: sent.subarray(0, end) };
}
