import { Ellipsis } from "lucide-react";
import { lazy, type MouseEvent, type ReactNode, Suspense, useState } from "react";
import { IconButton } from "./button.tsx";
import { loadPart } from "./load-part.ts";
import type { MenuItem } from "./menu.tsx";

const Menu = lazy(async () => ({ default: (await loadPart(() => import("./menu.tsx"))).Menu }));

interface LazyMenuProps {
  readonly label: string;
  readonly items: readonly MenuItem[];
  readonly className?: string;
  /** on the button; "⋯" when absent */
  readonly icon?: ReactNode;
}

/** A button with a menu, whose code is loaded by the first who opens one. */
export function LazyMenu({ label, items, className, icon }: LazyMenuProps): ReactNode {
  const [isOpen, setOpen] = useState<boolean | null>(null);
  const [isByKey, setByKey] = useState(false);
  const open = (event: MouseEvent): void => {
    setOpen(true);
    // A click that no pointer made.
    setByKey(event.detail === 0);
  };
  const button = (
    <IconButton
      label={label}
      aria-haspopup="menu"
      {...(className !== undefined && { className })}
      {...(isOpen === null && { onClick: open })}
    >
      {icon ?? <Ellipsis size={18} aria-hidden />}
    </IconButton>
  );
  if (isOpen === null) return button;
  return (
    <Suspense fallback={button}>
      <Menu trigger={button} items={items} isOpen={isOpen} isOpenedByKey={isByKey} onOpenChange={setOpen} />
    </Suspense>
  );
}
