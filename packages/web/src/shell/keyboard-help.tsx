import type { ReactNode } from "react";
import { Dialog } from "../ui/dialog.tsx";
import { keyNames } from "../ui/keys.ts";

type Keys = readonly (readonly [keys: string, does: string])[];

const GROUPS: readonly (readonly [title: string, keys: Keys])[] = [
  [
    "Everywhere",
    [
      ["Ctrl K", "Search and commands"],
      ["Ctrl Shift O", "New chat"],
      ["Ctrl Shift S", "Show or hide the sidebar"],
      ["Esc", "Close what is open, else stop the reply"],
      ["?", "This list"],
    ],
  ],
  [
    "Writing",
    [
      ["Enter", "Send"],
      ["Shift Enter", "New line"],
      ["↑", "In an empty message: edit the last one"],
      ["Shift Esc", "To the message field"],
    ],
  ],
  [
    "Reading",
    [
      ["j", "Next message"],
      ["k", "Previous message"],
      ["Home", "To the first message"],
      ["End", "To the last message"],
      ["c", "Copy the message"],
      ["e", "Edit the message"],
      ["r", "Write the reply again"],
    ],
  ],
  [
    "In the list of conversations",
    [
      ["↓", "Next conversation"],
      ["↑", "Previous conversation"],
      ["F2", "Rename"],
      ["Delete", "Move to the trash"],
    ],
  ],
];

export function KeyboardHelp({ onClose }: { readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title="Keyboard" onClose={onClose} className="max-h-[calc(100dvh-32px)] overflow-y-auto">
      <div className="grid gap-6 md:grid-cols-2">
        {GROUPS.map(([title, keys]) => (
          <section key={title}>
            <h3 className="mb-2 text-13 font-medium text-ink2">{title}</h3>
            <dl className="grid gap-2 text-14">
              {keys.map(([names, does]) => (
                <div key={names} className="flex items-center justify-between gap-4">
                  <dt>{does}</dt>
                  <dd className="flex shrink-0 gap-1">
                    {keyNames(names)
                      .split(" ")
                      .map((name) => (
                        <kbd
                          key={name}
                          className="rounded-s border border-line bg-code px-1.5 text-12 leading-5 font-sans"
                        >
                          {name}
                        </kbd>
                      ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
