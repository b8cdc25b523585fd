import { CircleCheck, TriangleAlert } from "lucide-react";
import type { OperatorReport } from "backscroll-client";
import { type ReactNode, useEffect, useRef } from "react";
import { announce } from "../ui/announcer.tsx";
import { durationText, momentText, sinceText } from "./figures.ts";

/** Whether it is healthy, and if not why; which server says so. */
export function StatusStrip({ report }: { readonly report: OperatorReport }): ReactNode {
  const { status, troubles, version, started_at: startedAt, sampled_at: sampledAt } = report;
  useTold(status, troubles.map(({ detail }) => detail).join(". "));
  const started = new Date(startedAt);
  const upSeconds = (Date.now() - started.getTime()) / 1_000;
  const isHealthy = status === "healthy";
  return (
    <section aria-label="Status" className="rounded-m border border-line bg-raise p-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <p className={`flex items-center gap-2 text-16 font-semibold ${isHealthy ? "text-ok" : "text-warn"}`}>
          {isHealthy ? <CircleCheck size={20} aria-hidden /> : <TriangleAlert size={20} aria-hidden />}
          {isHealthy ? "Healthy" : "Degraded"}
        </p>
        <p className="text-13 text-ink2">
          This server, since {sinceText(started)} (up {durationText(upSeconds)}) · Version {version} · Figures of{" "}
          {momentText(new Date(sampledAt), "seconds")}
        </p>
      </div>
      {troubles.length > 0 && (
        <ul className="mt-2 text-14">
          {troubles.map(({ code, detail }) => (
            <li key={code}>{detail}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Says a change to who does not see it; how it was when the page was opened is on it. */
function useTold(status: string, why: string): void {
  const before = useRef(status);
  useEffect(() => {
    if (before.current !== status) announce(status === "healthy" ? "Healthy again" : `Degraded: ${why}`);
    before.current = status;
  }, [status, why]);
}
