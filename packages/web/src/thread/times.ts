const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short" });

/** e.g. 14:02 */
export function timeOf(at: string): string {
  return TIME.format(new Date(at));
}

/** e.g. Tuesday 24 November 2026 at 14:02 */
export function momentOf(at: string): string {
  return MOMENT.format(new Date(at));
}

/** e.g. 24 November 2026 */
export function dateOf(at: string): string {
  return DAY_OF_YEAR.format(new Date(at));
}

/** e.g. Today; Tuesday 24 November; 24 November 2025 */
export function dayOf(at: string, now = new Date()): string {
  const day = new Date(at);
  if (day.toDateString() === now.toDateString()) return "Today";
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (day.toDateString() === yesterday.toDateString()) return "Yesterday";
  return (day.getFullYear() === now.getFullYear() ? DAY : DAY_OF_YEAR).format(day);
}
