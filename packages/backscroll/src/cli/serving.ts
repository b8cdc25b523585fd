import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import type { Config } from "../config.ts";
import { type BackscrollInternals, create, type Together } from "../create.ts";
import { createLog } from "../create-log.ts";
import { type Introduction, introduce } from "./banner.ts";
import { createHttpServer } from "./http-server.ts";
import { CommandError, EXIT } from "./terminal.ts";

/** A process that serves: the only one, or a worker. */
export interface Serving {
  readonly backscroll: BackscrollInternals;
  readonly introduction: Introduction;
  /** Takes nothing new, finishes what runs, within `DRAIN_TIMEOUT_MS`, and disconnects. */
  stop(): Promise<void>;
}

/** After the drain's timeout, for what was given up then to be saved, and told to whoever waits for it. */
export const TELLING_MS = 2_000;

export async function startServing(config: Config, together?: Together): Promise<Serving> {
  const logger = await createLog({ ...config, buffered: true });
  const backscroll = await create(config, { processMetrics: true, logger, ...(together && { together }) });
  try {
    const http = createHttpServer(backscroll.fetch, config);
    const introduction = await introduce(backscroll, config, await listen(http.server, config));
    return {
      backscroll,
      introduction,
      async stop() {
        backscroll.drain();
        await http.close(config.drainTimeoutMs + TELLING_MS);
        await backscroll.close();
      },
    };
  } catch (error) {
    await backscroll.close();
    throw error;
  }
}

/** @returns the port */
export async function listen(server: Server, { host, port }: Pick<Config, "host" | "port">): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
      throw new CommandError(EXIT.failed, `port ${port} is in use. Try: --port ${port + 1}`, { cause: error });
    }
    throw error;
  }
  return (server.address() as AddressInfo).port;
}
