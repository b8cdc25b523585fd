import type { ConversationSummary } from "backscroll-client";

/** A line of the sidebar's list. */
export type ListRow =
  | { readonly kind: "heading"; readonly key: string; readonly label: string }
  | {
      readonly kind: "conversation";
      readonly key: string;
      readonly conversation: ConversationSummary;
      /** 1 is the first conversation of the list */
      readonly position: number;
    };

const DAY_MS = 86_400_000;
const MONTH = new Intl.DateTimeFormat("en", { month: "long" });
const MONTH_AND_YEAR = new Intl.DateTimeFormat("en", { month: "long", year: "numeric" });

/**
 * @param conversations as the service orders them: pinned ones first, then by newest activity
 * @returns the same, each group under its heading; days are those of this device
 */
export function toRows(conversations: readonly ConversationSummary[], now: Date): readonly ListRow[] {
  const rows: ListRow[] = [];
  let group: string | undefined;
  for (const [index, conversation] of conversations.entries()) {
    const label = groupOf(conversation, now);
    if (label !== group) rows.push({ kind: "heading", key: `heading ${label}`, label });
    group = label;
    rows.push({ kind: "conversation", key: conversation.conversation_id, conversation, position: index + 1 });
  }
  return rows;
}

/** @returns when the day begins, on this device */
export function startOfDay(date: Date): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

function groupOf({ pinned, updated_at }: ConversationSummary, now: Date): string {
  if (pinned) return "Pinned";
  const updated = new Date(updated_at);
  // Rounded: a day on which the clocks change has 23 or 25 hours.
  const days = Math.round((startOfDay(now).getTime() - startOfDay(updated).getTime()) / DAY_MS);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  return (updated.getFullYear() === now.getFullYear() ? MONTH : MONTH_AND_YEAR).format(updated);
}
