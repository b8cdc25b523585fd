import { SETTINGS } from "../../settings.ts";

/** What other programs call what Backscroll calls otherwise. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  POSTGRES_URL: "DATABASE_URL",
  POSTGRES_URI: "DATABASE_URL",
  POSTGRESQL_URL: "DATABASE_URL",
  PG_URL: "DATABASE_URL",
  DB_URL: "DATABASE_URL",
  DATABASE_URI: "DATABASE_URL",
  REDIS_URI: "REDIS_URL",
  REDIS_HOST: "REDIS_URL",
  CACHE_URL: "REDIS_URL",
  VALKEY_URL: "REDIS_URL",
  REDIS_PREFIX: "CACHE_KEY_PREFIX",
  REDIS_TTL: "CACHE_TTL",
  JWT_KEY: "JWT_SECRET",
  JWKS_URL: "JWT_JWKS_URL",
  JWKS_URI: "JWT_JWKS_URL",
  CORS_ORIGIN: "CORS_ORIGINS",
  ALLOWED_ORIGINS: "CORS_ORIGINS",
  DATA_DIR: "BACKSCROLL_DATA_DIR",
  POOL_MAX: "DATABASE_POOL_MAX",
  DATABASE_POOL_SIZE: "DATABASE_POOL_MAX",
};
/** Shorter names are like too many others. */
const LENGTH_MIN = 7;

export interface Mistaken {
  readonly name: string;
  readonly meant: string;
}

/** @returns variables that Backscroll does not read, and that look as if they were meant for it */
export function findMistaken(environment: Readonly<Record<string, string | undefined>>): readonly Mistaken[] {
  const ours = Object.values(SETTINGS).map(({ env }): string => env);
  const isSet = (name: string): boolean => (environment[name] ?? "") !== "";
  return Object.keys(environment)
    .filter((name) => isSet(name) && !ours.includes(name))
    .flatMap((name) => {
      const meant = ELSEWHERE[name] ?? prefixed(name, ours) ?? ours.find((own) => isMisspelt(name, own));
      // Whoever has the right one may well need the other for something else.
      return meant === undefined || isSet(meant) ? [] : [{ name, meant }];
    });
}

function prefixed(name: string, ours: readonly string[]): string | undefined {
  const rest = /^BACKSCROLL_(.+)$/.exec(name)?.[1];
  return ours.find((own) => own === rest);
}

function isMisspelt(name: string, own: string): boolean {
  if (own.length < LENGTH_MIN || Math.abs(name.length - own.length) > 2) return false;
  return distance(name.toUpperCase(), own) <= (own.length < 10 ? 1 : 2);
}

/** @returns how many letters have to be put in, left out, changed or swapped with their neighbour */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const at = (di: number, dj: number): number => (di === 0 ? row : rows[i - di])?.[j - dj] ?? 0;
      const changed = at(1, 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(at(1, 0) + 1, at(0, 1) + 1, changed, swapped ? at(2, 2) + 1 : changed));
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}
