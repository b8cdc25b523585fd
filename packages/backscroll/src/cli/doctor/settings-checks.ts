import { isAuthRequired } from "../../config.ts";
import { obstacleToTraces } from "../../create-tracing.ts";
import { isLoopback } from "../../domain/loopback.ts";
import { SETTINGS } from "../../settings.ts";
import { obstacleToWorkers } from "../workers/requirements.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import { findMistaken } from "./mistaken-names.ts";

/** What was set, and what it means for who gets in. */
export const SETTINGS_CHECKS: readonly Check[] = [
  {
    id: "settings",
    title: "Settings",
    examine({ problems, environment }) {
      if (problems.length > 0)
        return fail(problems.join("; "), "Correct them; docs/configuration.md has every setting");
      const set = Object.values(SETTINGS).filter(({ env }) => (environment[env] ?? "") !== "");
      return ok(set.length === 0 ? "all at their defaults" : `set: ${set.map(({ env }) => env).join(", ")}`);
    },
  },
  {
    id: "workers",
    title: "Workers",
    examine({ config }) {
      if (config.workers === 1) return null;
      const obstacle = obstacleToWorkers(config);
      if (obstacle !== null) return fail(`${obstacle.what}: the service refuses to start`, obstacle.remedy);
      if (config.redisUrl !== undefined) return ok(`${config.workers} processes on one port`);
      return warn(
        `${config.workers} processes without REDIS_URL: limits hold on each, and changes are heard at once only there`,
        "Set REDIS_URL, e.g. redis://localhost:6379",
      );
    },
  },
  {
    id: "traces",
    title: "Traces",
    examine({ config, environment }) {
      if (config.otelExporterOtlpEndpoint === undefined) return null;
      const obstacle = obstacleToTraces(config, environment);
      if (obstacle === null) return ok(`to ${URL.parse(config.otelExporterOtlpEndpoint)?.host}`);
      return fail(`${obstacle}; the service refuses to start`, "Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
    },
  },
  {
    id: "misspelt-settings",
    title: "Misspelt settings",
    examine({ environment }) {
      const mistaken = findMistaken(environment);
      if (mistaken.length === 0) return null;
      return warn(
        `${mistaken.map(({ name }) => name).join(", ")}: Backscroll does not read this`,
        `Perhaps ${mistaken.map(({ name, meant }) => `${meant} is meant instead of ${name}`).join(", ")}`,
      );
    },
  },
  {
    id: "access",
    title: "Access",
    examine({ config, bad }) {
      if (bad.has("host") || bad.has("auth") || bad.has("jwtSecret") || bad.has("jwtJwksUrl")) return null;
      if (isAuthRequired(config)) {
        const tokens = config.jwtSecret !== undefined || config.jwtJwksUrl !== undefined;
        return ok(`${tokens ? "tokens and API keys" : "API keys"}; listens on ${config.host}`);
      }
      if (isLoopback(config.host)) return ok("no authentication: everybody on this machine is you@localhost");
      return fail(
        `HOST=${config.host} is not loopback, and there is no authentication: the service refuses to start`,
        "Set JWT_SECRET, or JWT_JWKS_URL with JWT_ISSUER and JWT_AUDIENCE, or AUTH=required; or let HOST be 127.0.0.1",
      );
    },
  },
  {
    id: "keys",
    title: "API keys",
    examine({ config, database }) {
      if (!isAuthRequired(config) || config.jwtSecret !== undefined || config.jwtJwksUrl !== undefined) return null;
      const has = database?.value?.hasUsableApiKey;
      if (has === undefined || has === true) return has === true ? ok("there are some that are accepted") : null;
      return warn(
        "nobody can get in: only keys are accepted, and there is none",
        "Make the first one: backscroll key create --user you@example.com --scope admin",
      );
    },
  },
  {
    id: "jwt-secret",
    title: "JWT_SECRET",
    examine({ config: { jwtSecret } }) {
      if (jwtSecret === undefined) return null;
      const size = `${Buffer.byteLength(jwtSecret)} bytes`;
      if (new Set(jwtSecret).size >= DIFFERENT_CHARACTERS_MIN) return ok(size);
      return warn(
        `${size}, of very few different characters: it can be guessed`,
        "Take a random one, here and where tokens are signed: openssl rand -base64 48",
      );
    },
  },
];

const DIFFERENT_CHARACTERS_MIN = 12;
