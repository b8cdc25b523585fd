import type { ReactNode } from "react";
import { classNames } from "../ui/class-names.ts";
import { Delayed } from "../ui/delayed.tsx";

const LINES = [
  "ms-auto h-10 w-1/2 rounded-l",
  "w-full",
  "w-11/12",
  "w-2/3",
  "ms-auto h-10 w-1/3 rounded-l",
  "w-full",
  "w-3/4",
];

/** Where the messages will be, once they take a moment to come. */
export function ThreadSkeleton(): ReactNode {
  return (
    <div className="min-h-0 flex-1 overflow-hidden">
      <Delayed>
        <div role="status" aria-label="Loading messages" className="grid size-full max-w-184 content-end gap-4">
          {LINES.map((line, index) => (
            // oxlint-disable-next-line react/no-array-index-key -- they never move
            <div key={index} className={classNames("h-4 animate-pulse rounded-s bg-line", line)} />
          ))}
        </div>
      </Delayed>
    </div>
  );
}
