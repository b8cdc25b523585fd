import { createClient, createCluster, createSentinel, RESP_TYPES } from "redis";

/** One way to Redis, whatever its topology. Replies come as Buffers. */
export interface RedisLink {
  /** @param key decides the node; every key of the command has its hash tag */
  send(key: string, args: readonly (string | Buffer)[]): Promise<unknown>;
  /** Sends to every node that holds keys, and gathers the replies. */
  sendToAll<Reply>(
    run: (send: (args: readonly string[]) => Promise<unknown>) => Promise<Reply>,
  ): Promise<readonly Reply[]>;
  close(): void;
}

export interface LinkOptions {
  /** bounds the first connection and every new one */
  readonly connectTimeoutMs: number;
  /** told of every fault of a connection; it mends itself */
  readonly onError: (error: Error) => void;
}

const AS_BUFFERS = { [RESP_TYPES.BLOB_STRING]: Buffer } as const;

/**
 * Connects by URL: `redis://` and `rediss://` (TLS) to one server; `redis+cluster://host:port,host:port` to a Redis
 * Cluster; `redis+sentinel://host:port,host:port/name` to the master of that name. `rediss+…` for TLS there.
 *
 * A command is refused while there is no connection, never queued: it would wait for as long as Redis is away.
 */
export async function connectRedis(url: string, options: LinkOptions): Promise<RedisLink> {
  const topology = /^rediss?\+(cluster|sentinel):/.exec(url)?.[1];
  if (topology === "cluster") return connectCluster(url, options);
  if (topology === "sentinel") return connectSentinel(url, options);
  const client = createClient({ url, ...clientOptions(options) });
  client.on("error", options.onError);
  await client.connect();
  const send = (args: readonly (string | Buffer)[]): Promise<unknown> => client.sendCommand([...args]);
  return {
    send: (_, args) => send(args),
    sendToAll: async (run) => [await run(send)],
    close: () => client.destroy(),
  };
}

async function connectCluster(url: string, options: LinkOptions): Promise<RedisLink> {
  const { nodes, tls, username, password } = parseNodes(url);
  const cluster = createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ url: `${tls ? "rediss" : "redis"}://${host}:${port}` })),
    defaults: { ...clientOptions(options), ...(username && { username }), ...(password && { password }) },
  });
  cluster.on("error", options.onError);
  await cluster.connect();
  return {
    send: (key, args) => cluster.sendCommand(key, false, [...args]),
    sendToAll: (run) =>
      Promise.all(
        cluster.masters.map(async (node) => {
          const client = await cluster.nodeClient(node);
          return run((args) => client.sendCommand([...args]));
        }),
      ),
    close: () => cluster.destroy(),
  };
}

async function connectSentinel(url: string, options: LinkOptions): Promise<RedisLink> {
  const { nodes, tls, username, password, name } = parseNodes(url);
  const sentinel = createSentinel({
    name,
    sentinelRootNodes: nodes,
    nodeClientOptions: {
      ...clientOptions(options),
      ...(username && { username }),
      ...(password && { password }),
      ...(tls && { socket: { tls: true, connectTimeout: options.connectTimeoutMs } }),
    },
  });
  sentinel.on("error", options.onError);
  await sentinel.connect();
  const send = (args: readonly (string | Buffer)[]): Promise<unknown> => sentinel.sendCommand(false, [...args]);
  return {
    send: (_, args) => send(args),
    sendToAll: async (run) => [await run(send)],
    close: () => void sentinel.destroy(),
  };
}

function clientOptions({ connectTimeoutMs }: LinkOptions) {
  return {
    disableOfflineQueue: true,
    commandOptions: { typeMapping: AS_BUFFERS },
    socket: {
      connectTimeout: connectTimeoutMs,
      reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1_000),
    },
  };
}

interface Nodes {
  readonly nodes: { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly name: string;
}

function parseNodes(url: string): Nodes {
  const match = /^(rediss?)\+\w+:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/]+)(?:\/(.*))?$/.exec(url);
  if (!match)
    throw new Error("REDIS_URL must be like redis+cluster://host:port,host:port or redis+sentinel://host:port/name");
  const [, scheme, username, password, hosts = "", name = ""] = match;
  return {
    nodes: hosts.split(",").map((each) => {
      const [host = "", port = "6379"] = each.split(":");
      return { host, port: Number(port) };
    }),
    tls: scheme === "rediss",
    username: username ? decodeURIComponent(username) : undefined,
    password: password ? decodeURIComponent(password) : undefined,
    name,
  };
}
