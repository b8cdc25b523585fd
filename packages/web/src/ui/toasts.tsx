import { X } from "lucide-react";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { createPortal } from "react-dom";
import { announce } from "./announcer.tsx";
import { Button, IconButton } from "./button.tsx";
import { useTopLayer } from "./top-layer.ts";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
  readonly isError: boolean;
}

const SHOWN_MS = 10_000;
const TICK_MS = 100;
let nextId = 1;
let toasts: readonly Toast[] = [];
const listeners = new Set<() => void>();

/** Tells what was done, and how to undo it. It goes after 10 s in which nobody points at it or is in it. */
export function toast(text: string, action?: Toast["action"]): void {
  announce(action ? `${text}, ${action.label.toLowerCase()} available` : text);
  add({ id: nextId++, text, isError: false, ...(action && { action }) });
}

/** Tells what could not be done. */
export function toastError(text: string): void {
  add({ id: nextId++, text, isError: true });
}

function add(one: Toast): void {
  change([...toasts.slice(-2), one]);
}

function remove(id: number): void {
  change(toasts.filter((one) => one.id !== id));
}

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function Toasts(): ReactNode {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  // Beside something modal it could be seen, and not pressed.
  const layer = useTopLayer();
  return createPortal(
    <section
      aria-label="Notifications"
      className="pointer-events-none fixed inset-x-0 bottom-24 z-50 grid justify-center gap-2 px-4"
    >
      {shown.map((one) => (
        <OneToast key={one.id} toast={one} />
      ))}
    </section>,
    layer,
  );
}

function OneToast({ toast: { id, text, action, isError } }: { readonly toast: Toast }): ReactNode {
  const [isPointedAt, setPointedAt] = useState(false);
  const [hasFocus, setFocus] = useState(false);
  const isHeld = isPointedAt || hasFocus;
  useEffect(() => {
    if (isHeld) return;
    const startedAt = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - startedAt >= SHOWN_MS) remove(id);
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [id, isHeld]);
  return (
    <div
      role={isError ? "alert" : undefined}
      className="pointer-events-auto flex max-w-full items-center gap-2 rounded-m border border-line bg-raise py-1 ps-4 pe-1 text-14 shadow-lg"
      onPointerEnter={() => setPointedAt(true)}
      onPointerLeave={() => setPointedAt(false)}
      onFocus={() => setFocus(true)}
      onBlur={() => setFocus(false)}
    >
      <span className={isError ? "text-err" : undefined}>{text}</span>
      {action && (
        <Button
          kind="quiet"
          className="text-accent!"
          onClick={() => {
            remove(id);
            action.run();
          }}
        >
          {action.label}
        </Button>
      )}
      <IconButton label="Dismiss" onClick={() => remove(id)}>
        <X size={16} aria-hidden />
      </IconButton>
    </div>
  );
}
