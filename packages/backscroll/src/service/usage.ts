import type { UsageDay } from "../domain/conversation.ts";
import { invalidRequest } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { foldUsage, listUsage } from "../postgres/usage.ts";
import type { Deps } from "./deps.ts";

const DAY_MS = 86_400_000;

export interface UsageRange {
  /** `YYYY-MM-DD` in UTC, inclusive; by default 29 days before `to` */
  readonly from?: string | undefined;
  /** inclusive; by default today */
  readonly to?: string | undefined;
}

/**
 * Messages and tokens per day, role and model; messages deleted since then included.
 *
 * @throws {BackscrollError} invalid_request when the range is empty or over 366 days
 */
export async function getUsage(
  deps: Deps,
  userId: number,
  range: UsageRange,
): Promise<{ from: string; to: string; days: readonly UsageDay[] }> {
  const to = range.to ?? toDay(Date.now());
  const from = range.from ?? toDay(Date.parse(to) - 29 * DAY_MS);
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  if (from < "0001-01-01" || !(days >= 1 && days <= LIMITS.usageDaysMax)) {
    throw invalidRequest({ path: "from", message: `must be 0 to ${LIMITS.usageDaysMax - 1} days before \`to\`` });
  }
  await foldUsage(deps.db, userId);
  return { from, to, days: await listUsage(deps.db, userId, { from, to }) };
}

function toDay(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
