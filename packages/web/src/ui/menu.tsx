import * as DropdownMenu from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";
import { classNames } from "./class-names.ts";

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
  readonly onOpenChange?: (isOpen: boolean) => void;
}

/** Loaded when it is first opened: `lazy-menu.tsx`. Not modal: that would add a style which the page's policy refuses. */
export function Menu({ trigger, items, isOpen, onOpenChange }: MenuProps): ReactNode {
  return (
    <DropdownMenu.Root
      modal={false}
      {...(isOpen !== undefined && { open: isOpen })}
      {...(onOpenChange && { onOpenChange })}
    >
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={4}
          collisionPadding={8}
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
