import type { ReactNode } from "react";
import { inWords } from "../server/query-client.ts";
import { Button } from "./button.tsx";

interface FailureRowProps {
  /** what could not be done, e.g. "Couldn't load older messages." */
  readonly what: string;
  readonly error: unknown;
  readonly onRetry: () => void;
}

/** Stands where something would be that could not be read: never an empty place. */
export function FailureRow({ what, error, onRetry }: FailureRowProps): ReactNode {
  return (
    <div role="alert" className="flex flex-wrap items-center justify-center gap-x-3 gap-y-1 p-4 text-14">
      <span>
        <span className="text-err">{what}</span> <span className="text-ink2">{inWords(error)}</span>
      </span>
      <Button onClick={onRetry}>Retry</Button>
    </div>
  );
}
