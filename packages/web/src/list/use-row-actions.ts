import {
  type KeyboardEvent,
  type KeyboardEventHandler,
  type RefObject,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { deleteConversation, renameConversation } from "../server/conversation-actions.ts";
import type { RowActions } from "./conversation-row.tsx";
import type { ListRow } from "./groups.ts";

interface RowActionsState {
  readonly actions: RowActions;
  /** the conversation whose title is being edited */
  readonly renamedId: string | null;
  /** moves the focus from one conversation to the next */
  readonly onKeyDown: KeyboardEventHandler;
}

interface ListParts {
  readonly rows: readonly ListRow[];
  readonly list: RefObject<HTMLElement | null>;
  readonly onEmptied: () => void;
}

/** What is done to rows, and where the focus goes meanwhile. */
export function useRowActions({ rows, list, onEmptied }: ListParts): RowActionsState {
  const [renamedId, setRenamedId] = useState<string | null>(null);
  const wantsFocus = useRef<string | null>(null);
  const latest = useRef({ rows, onEmptied });
  useLayoutEffect(() => {
    latest.current = { rows, onEmptied };
    if (wantsFocus.current !== null) linkOf(list, wantsFocus.current)?.focus();
    wantsFocus.current = null;
  });
  const actions = useMemo<RowActions>(() => {
    const leave = (id: string): void => {
      const neighbour = neighbourOf(latest.current.rows, id);
      if (neighbour === undefined) latest.current.onEmptied();
      else linkOf(list, neighbour)?.focus();
    };
    return {
      leave,
      startRename: setRenamedId,
      endRename(id, title, by) {
        if (by === "key") wantsFocus.current = id;
        setRenamedId(null);
        if (title !== null) void renameConversation(id, title);
      },
      remove(id) {
        leave(id);
        void deleteConversation(id);
      },
    };
  }, [list]);
  return { actions, renamedId, onKeyDown: moveFocus };
}

/** @returns the conversation after it; before it, when it is the last one */
function neighbourOf(rows: readonly ListRow[], id: string): string | undefined {
  const keys = rows.filter(({ kind }) => kind === "conversation").map(({ key }) => key);
  const at = keys.indexOf(id);
  return keys[at + 1] ?? keys[at - 1];
}

function linkOf(list: RefObject<HTMLElement | null>, id: string): HTMLElement | null {
  return list.current?.querySelector<HTMLElement>(`[data-conversation="${CSS.escape(id)}"] a`) ?? null;
}

function moveFocus(event: KeyboardEvent): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const { target, currentTarget } = event;
  if (step === 0 || !(target instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const links = [...currentTarget.querySelectorAll<HTMLElement>("[data-conversation] a")];
  links[links.indexOf(target) + step]?.focus();
}
