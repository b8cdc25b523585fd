import type { ReactNode } from "react";
import { Delayed } from "../ui/delayed.tsx";

const WIDTHS = ["w-3/4", "w-1/2", "w-2/3", "w-4/5", "w-1/2", "w-3/5"];

/** Where the conversations will be, once they take a moment to come. */
export function ListSkeleton(): ReactNode {
  return (
    <div className="min-h-0 flex-1">
      <Delayed>
        <div role="status" aria-label="Loading conversations" className="grid size-full content-start gap-5">
          {WIDTHS.map((width, index) => (
            // oxlint-disable-next-line react/no-array-index-key -- they never move
            <div key={index} className={`h-4 animate-pulse rounded-s bg-line ${width}`} />
          ))}
        </div>
      </Delayed>
    </div>
  );
}
