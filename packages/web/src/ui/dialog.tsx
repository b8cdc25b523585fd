import { X } from "lucide-react";
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { IconButton } from "./button.tsx";
import { classNames } from "./class-names.ts";
import { enterTopLayer } from "./top-layer.ts";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly className?: string;
}

/** Something modal, for as long as it is rendered. The browser traps the focus, and gives it back. */
export function Dialog({ title, onClose, children, className }: DialogProps): ReactNode {
  const titleId = useId();
  const dialog = useModal();
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      className={classNames("w-[min(560px,calc(100vw-32px))] rounded-l border border-line bg-raise p-6", className)}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <div className="mb-4 flex items-center justify-between gap-4">
        <h2 id={titleId} className="text-16 font-semibold">
          {title}
        </h2>
        <IconButton label="Close" onClick={onClose}>
          <X size={18} aria-hidden />
        </IconButton>
      </div>
      {children}
    </dialog>
  );
}

/** @returns for a `<dialog>` that is modal while it is rendered */
export function useModal(): React.RefObject<HTMLDialogElement | null> {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before it leaves the document: only then does the browser give the focus back.
  useLayoutEffect(() => {
    const shown = dialog.current;
    if (!shown) return;
    shown.showModal();
    const leave = enterTopLayer(shown);
    return () => {
      leave();
      shown.close();
    };
  }, []);
  return dialog;
}
