import * as DropdownMenu from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import { classNames } from "./class-names.ts";
import { useTopLayer } from "./top-layer.ts";

export interface MenuItem {
  readonly label: string;
  readonly icon?: ReactNode;
  readonly run: () => void;
  readonly isDangerous?: boolean;
  readonly isDisabled?: boolean;
}

interface MenuProps {
  /** the button that opens it */
  readonly trigger: ReactNode;
  readonly items: readonly MenuItem[];
  readonly isOpen?: boolean;
  /** it is open from the beginning, and whoever opened it goes on by keyboard */
  readonly isOpenedByKey?: boolean;
  readonly onOpenChange?: (isOpen: boolean) => void;
}

/** Loaded when it is first opened: `lazy-menu.tsx`. Not modal: that would add a style which the page's policy refuses. */
export function Menu({ trigger, items, isOpen, isOpenedByKey = false, onOpenChange }: MenuProps): ReactNode {
  // Outside of a modal dialog it could not be reached; outside of every landmark it would not be found.
  const layer = useTopLayer();
  const container = layer === document.body ? (document.querySelector("main") ?? layer) : layer;
  return (
    <DropdownMenu.Root
      modal={false}
      {...(isOpen !== undefined && { open: isOpen })}
      {...(onOpenChange && { onOpenChange })}
    >
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal container={container}>
        <DropdownMenu.Content
          ref={isOpenedByKey ? focusFirst : null}
          align="end"
          sideOffset={4}
          collisionPadding={8}
          onCloseAutoFocus={(event) => {
            // What was chosen may have moved the focus: to a field, or to the neighbour of what is gone.
            if (document.activeElement !== document.body) event.preventDefault();
          }}
          className="z-40 min-w-44 rounded-m border border-line bg-raise p-1 text-14 shadow-lg"
        >
          {items.map(({ label, icon, run, isDangerous = false, isDisabled = false }) => (
            <DropdownMenu.Item
              key={label}
              disabled={isDisabled}
              onSelect={run}
              className={classNames(
                "flex cursor-pointer items-center gap-2 rounded-s px-3 py-1.5 outline-none select-none pointer-coarse:min-h-11",
                "data-[highlighted]:bg-soft data-[disabled]:cursor-not-allowed data-[disabled]:opacity-60",
                isDangerous && "text-err",
              )}
            >
              {icon}
              {label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** The menu itself does so for keys that it has seen; the one that had it loaded came before. */
function focusFirst(content: HTMLElement | null): void {
  content?.querySelector<HTMLElement>("[role=menuitem]:not([data-disabled])")?.focus();
}
