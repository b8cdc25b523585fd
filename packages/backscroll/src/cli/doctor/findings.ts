import { createConnection } from "node:net";
import { connect as connectTls } from "node:tls";
import { cacheKindOf } from "../../create-cache.ts";
import { type Config, isAuthRequired, readConfig, type ReadConfig } from "../../config.ts";
import { diagnoseRedis, type RedisDiagnosis } from "../../cache/redis/diagnosis.ts";
import { type Diagnosis, diagnose } from "../../postgres/diagnosis.ts";
import type { SettingName } from "../../settings.ts";
import { type FoundDataDir, findDataDir } from "./data-dir.ts";
import { type FoundService, findService } from "./find-service.ts";

/** Everything that the checks look at, gathered at once. */
export interface Findings extends ReadConfig {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeVersion: string;
  readonly cacheKind: ReturnType<typeof cacheKindOf>;
  /** null with `DATABASE_URL` */
  readonly dataDir: FoundDataDir | null;
  /** null when there is none to look at: the embedded one is not running, or `DATABASE_URL` is bad */
  readonly database: Looked<Diagnosis> | null;
  /** what `DATABASE_DIRECT_URL` leads to */
  readonly directDatabase: Looked<Diagnosis> | null;
  readonly redis: Looked<RedisDiagnosis> | null;
  /** null when any free port is taken */
  readonly service: FoundService | null;
  /** how many keys `JWT_JWKS_URL` shows */
  readonly identityProvider: Looked<number> | null;
  /** null: nobody but ELIZA */
  readonly responder: (Looked<true> & { readonly url: URL }) | null;
}

/** What was found, or why nothing was. */
type Looked<Value> =
  | { readonly value: Value; readonly error?: never }
  | { readonly value?: never; readonly error: unknown };

/** No look takes longer, whatever freezes. */
const DEADLINE_MS = 4_000;

export async function gatherFindings(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Partial<Record<SettingName, string>>,
): Promise<Findings> {
  const read = readConfig(environment, flags);
  const { config } = read;
  const dataDir =
    config.databaseUrl === undefined && !read.bad.has("databaseUrl") ? await findDataDir(config.dataDir) : null;
  const databaseUrl = config.databaseUrl ?? dataDir?.cluster.connectionString ?? null;
  const direct = directUrlOf(config);
  const jwksUrl = isAuthRequired(config) ? config.jwtJwksUrl : undefined;
  const responderUrl = responderUrlOf(config);
  const [database, directDatabase, redis, service, identityProvider, responder] = await Promise.all([
    databaseUrl === null ? null : look(diagnose(databaseUrl, DEADLINE_MS)),
    direct === undefined ? null : look(diagnose(direct, DEADLINE_MS)),
    config.redisUrl === undefined ? null : look(diagnoseRedis(config.redisUrl, config.cacheKeyPrefix, DEADLINE_MS)),
    config.port === 0 ? null : findService(config, DEADLINE_MS),
    jwksUrl === undefined ? null : look(countKeys(jwksUrl)),
    responderUrl === null ? null : look(reach(responderUrl)),
  ]);
  return {
    ...read,
    environment,
    nodeVersion: process.versions.node,
    cacheKind: cacheKindOf(config, false),
    dataDir,
    database,
    directDatabase,
    redis,
    service,
    identityProvider,
    responder: responder && responderUrl && { ...responder, url: responderUrl },
  };
}

async function look<Value>(looking: Promise<Value>): Promise<Looked<Value>> {
  return looking.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

/** @returns `DATABASE_DIRECT_URL`, when it leads elsewhere */
function directUrlOf({ databaseDirectUrl, databaseUrl }: Config): string | undefined {
  return databaseDirectUrl === databaseUrl ? undefined : databaseDirectUrl;
}

const PROVIDERS: Readonly<Record<string, string>> = {
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com/v1",
};

function responderUrlOf({ responderUrl, model, modelBaseUrl }: Config): URL | null {
  const provider = model?.split("/", 1)[0] ?? "";
  const text = responderUrl ?? (model === undefined ? undefined : (modelBaseUrl ?? PROVIDERS[provider]));
  return text === undefined ? null : URL.parse(text);
}

/** Connects and says nothing: a model would want to be paid, and an agent would begin to work. */
async function reach({ protocol, hostname, port }: URL): Promise<true> {
  const isTls = protocol === "https:";
  const host = hostname.replaceAll(/[[\]]/g, "");
  const target = { host, port: Number(port) || (isTls ? 443 : 80), timeout: DEADLINE_MS };
  const { promise, resolve, reject } = Promise.withResolvers<true>();
  const socket = isTls ? connectTls({ ...target, servername: host }) : createConnection(target);
  socket.once(isTls ? "secureConnect" : "connect", () => resolve(true));
  socket.once("error", reject);
  const timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS / 1_000} s`)), DEADLINE_MS);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

async function countKeys(url: string): Promise<number> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!response.ok) throw new Error(`it answers ${response.status}`);
  const { keys } = (await response.json()) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error("its answer has no `keys`: it is no JSON Web Key Set");
  return keys.length;
}
