import type { ConversationSummary } from "backscroll-client";
import { Archive, ArchiveRestore, Braces, FileText, Pencil, Pin, PinOff, Trash2 } from "lucide-react";
import { archiveConversation, deleteConversation, pinConversation } from "../server/conversation-actions.ts";
import type { MenuItem } from "../ui/menu.tsx";

const ICON = { size: 16, "aria-hidden": true } as const;

export function renameItem(rename: () => void): MenuItem {
  return { label: "Rename", icon: <Pencil {...ICON} />, run: rename };
}

export function pinItem({ conversation_id: id, pinned }: ConversationSummary): MenuItem {
  const run = (): void => void pinConversation(id, !pinned);
  return pinned ? { label: "Unpin", icon: <PinOff {...ICON} />, run } : { label: "Pin", icon: <Pin {...ICON} />, run };
}

export function archiveItem({ conversation_id: id, archived }: ConversationSummary): MenuItem {
  const run = (): void => void archiveConversation(id, !archived);
  return archived
    ? { label: "Unarchive", icon: <ArchiveRestore {...ICON} />, run }
    : { label: "Archive", icon: <Archive {...ICON} />, run };
}

export function exportItems({ conversation_id: id }: ConversationSummary): readonly MenuItem[] {
  return [
    { label: "Export as Markdown", icon: <FileText {...ICON} />, run: () => download(id, "markdown") },
    { label: "Export as JSON", icon: <Braces {...ICON} />, run: () => download(id, "json") },
  ];
}

export function deleteItem({ conversation_id: id }: ConversationSummary): MenuItem {
  return { label: "Delete", icon: <Trash2 {...ICON} />, run: () => void deleteConversation(id), isDangerous: true };
}

/** The browser saves what the service streams, whatever its length; the service names the file. */
function download(id: string, format: "json" | "markdown"): void {
  const link = document.createElement("a");
  link.href = `/api/conversations/${encodeURIComponent(id)}/export?format=${format}`;
  link.download = "";
  link.click();
}
