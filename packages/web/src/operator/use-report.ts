import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { OperatorReport, OperatorWindow } from "backscroll-client";
import { client } from "../server/client.ts";

const ASK_EVERY_MS = 10_000;

/** How the service is, asked again while the page is looked at; the last answer stays until there is another. */
export function useReport(window: OperatorWindow): UseQueryResult<OperatorReport> {
  return useQuery({
    queryKey: ["operator", window],
    queryFn: ({ signal }) => client.getOperatorReport({ window }, { signal }),
    refetchInterval: ASK_EVERY_MS,
    refetchOnMount: "always",
    refetchOnWindowFocus: "always",
    placeholderData: keepPreviousData,
    networkMode: "always",
    // Every ten seconds another one: what is not shown is not kept for long.
    gcTime: 60_000,
  });
}
