import { errorMessage } from "../../domain/errors.ts";
import { answerWithin, openSession, type SessionOptions } from "./session.ts";
import type { Server } from "./url.ts";

/**
 * @returns asks the Sentinels one after the other where the master is, the one that answered last first. The answer
 * of a Sentinel that is cut off from the others may be old; the server it names then says itself that it is a replica
 * ({@link https://redis.io/docs/latest/develop/reference/sentinel-clients/})
 */
export function askSentinels(
  sentinels: readonly Server[],
  masterName: string,
  settings: SessionOptions,
): (signal: AbortSignal) => Promise<Server> {
  let order = sentinels;
  return async (signal) => {
    const faults: string[] = [];
    for (const sentinel of order) {
      try {
        const master = await ask(sentinel, masterName, settings, signal);
        order = [sentinel, ...sentinels.filter((other) => other !== sentinel)];
        return master;
      } catch (error) {
        faults.push(errorMessage(error));
      }
    }
    throw new Error(`no Sentinel says where the master "${masterName}" is: ${faults.join("; ")}`);
  };
}

/** Sentinels often have no password where the master has one, and an ACL user of the master is none of theirs. */
async function ask(
  sentinel: Server,
  masterName: string,
  settings: SessionOptions,
  signal: AbortSignal,
): Promise<Server> {
  const { tls, connectTimeoutMs, username, password } = settings;
  const anonymous = { tls, connectTimeoutMs };
  const session = await openSession(sentinel, anonymous, signal).catch((error: unknown) => {
    if (password === undefined || !errorMessage(error).startsWith("NOAUTH")) throw error;
    return openSession(sentinel, { ...anonymous, username, password }, signal);
  });
  try {
    const answer = session.send(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName]);
    const reply = await answerWithin(answer, connectTimeoutMs, signal);
    if (!Array.isArray(reply)) throw new Error("it knows no master of that name");
    return { host: String(reply[0]), port: Number(String(reply[1])) };
  } finally {
    session.close();
  }
}
