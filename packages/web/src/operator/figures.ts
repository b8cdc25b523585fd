/** A figure where there may be none. */
export type Figure = number | null;

/** As exact as anybody reads it; whole numbers are never rounded. @returns – for null */
export function figureText(value: Figure): string {
  if (value === null) return "–";
  const size = Math.abs(value);
  return value.toLocaleString("en", { maximumFractionDigits: size < 10 ? 2 : size < 100 ? 1 : 0 });
}

/** @returns e.g. 12.3k, for an axis */
export function shortText(value: number): string {
  return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: value < 10 ? 2 : 1 });
}

/** @param seconds how long @returns e.g. "3 h 12 min" */
export function durationText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const [days, hours] = [Math.floor(minutes / 1_440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const CLOCK_SECONDS = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });

/** A moment, as short as `span` allows. */
export function momentText(date: Date, span: "seconds" | "minutes" | "days"): string {
  if (span === "seconds") return CLOCK_SECONDS.format(date);
  return span === "minutes" ? CLOCK.format(date) : DATE.format(date);
}

/** @returns e.g. "14:02", with its day when that is not today */
export function sinceText(date: Date): string {
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? CLOCK.format(date) : `${DATE.format(date)}, ${CLOCK.format(date)}`;
}

/** A day of UTC. */
export function dayText(date: Date): string {
  return DAY.format(date);
}
