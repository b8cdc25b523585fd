import type { z } from "zod";
import { flagOf, type Setting, type SettingName, SETTINGS } from "./settings.ts";

export type Config = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]["schema"]> };

/** Names every bad variable and what it must be; never a value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * @param environment variables; an empty one counts as absent
 * @param given goes before them: flags, or a library caller's options
 * @param nameOf how a setting in `given` is called in errors
 * @throws {ConfigError}
 */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  given: Partial<Record<SettingName, string>> = {},
  nameOf: (name: SettingName) => string = (name) => flagOf(SETTINGS[name]),
): Config {
  const { config, problems } = readConfig(environment, given, nameOf);
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return config;
}

/** What was set, whether or not a service would start with it. */
export interface ReadConfig {
  /** a bad setting is as if it had not been set */
  readonly config: Config;
  readonly bad: ReadonlySet<SettingName>;
  /** one for each bad setting, or for each that contradicts another; never a value */
  readonly problems: readonly string[];
}

/** @see loadConfig, which refuses what this tells of */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  given: Partial<Record<SettingName, string>> = {},
  nameOf: (name: SettingName) => string = (name) => flagOf(SETTINGS[name]),
): ReadConfig {
  const problems: string[] = [];
  const bad = new Set<SettingName>();
  const entries = (Object.entries(SETTINGS) as [SettingName, Setting][]).map(([name, setting]) => {
    const own = given[name];
    const text = own ?? environment[setting.env];
    const parsed = setting.schema.safeParse(text === "" ? undefined : text);
    if (parsed.success) return [name, parsed.data];
    const reason = parsed.error.issues[0]?.message ?? "is not valid";
    problems.push(`${own === undefined ? setting.env : nameOf(name)} ${reason}`);
    bad.add(name);
    return [name, setting.schema.parse(undefined)];
  });
  const config = Object.fromEntries(entries) as Config;
  // A setting that is bad would only seem to be missing.
  if (problems.length === 0) problems.push(...contradictions(config));
  return { config, bad, problems };
}

function contradictions(config: Config): string[] {
  const { auth, jwtSecret, jwtJwksUrl, jwtAlgorithm, jwtIssuer, jwtAudience } = config;
  const tokens = jwtSecret !== undefined || jwtJwksUrl !== undefined;
  return [
    config.model?.startsWith("compatible/") === true &&
      config.modelBaseUrl === undefined &&
      "MODEL_BASE_URL must say where the server of MODEL is, e.g. http://localhost:11434/v1",
    config.cache === "redis" &&
      config.redisUrl === undefined &&
      "REDIS_URL must say where the Redis of CACHE=redis is, e.g. redis://localhost:6379",
    jwtSecret !== undefined && jwtJwksUrl !== undefined && "JWT_SECRET and JWT_JWKS_URL exclude each other: unset one",
    tokens && auth === "none" && "AUTH=none contradicts JWT_SECRET and JWT_JWKS_URL: unset one of them",
    jwtJwksUrl !== undefined &&
      (jwtIssuer === undefined || jwtAudience === undefined) &&
      "JWT_ISSUER and JWT_AUDIENCE must say whose tokens are accepted, and which are meant for this service",
    tokens &&
      jwtAlgorithm !== undefined &&
      (jwtAlgorithm === "HS256") !== (jwtSecret !== undefined) &&
      "JWT_ALGORITHM must be HS256 with JWT_SECRET, and RS256, ES256 or EdDSA with JWT_JWKS_URL",
    config.sessions === "claim" && !tokens && "SESSIONS=claim needs tokens: set JWT_SECRET or JWT_JWKS_URL",
    config.corsOrigins.length > 0 && !isAuthRequired(config) && "CORS_ORIGINS needs authentication: set AUTH=required",
  ].filter((problem) => problem !== false);
}

/** @returns whether requests carry credentials; without, everybody is `you@localhost` */
export function isAuthRequired({ auth, jwtSecret, jwtJwksUrl }: Config): boolean {
  return (auth ?? (jwtSecret === undefined && jwtJwksUrl === undefined ? "none" : "required")) === "required";
}

/**
 * The same for a library's caller, who gives values instead of text.
 *
 * @param options absent ones come from the environment
 * @throws {ConfigError}
 */
export function loadOptions(
  environment: Readonly<Record<string, string | undefined>>,
  options: Partial<Config>,
): Config {
  const given = Object.keys(SETTINGS).flatMap((name) => {
    const value = options[name as SettingName];
    if (value === undefined) return [];
    return [[name, typeof value === "boolean" ? (value ? "on" : "off") : String(value)]];
  });
  return loadConfig(environment, Object.fromEntries(given), (name) => name);
}
