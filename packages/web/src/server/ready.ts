import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { Ready } from "backscroll-client";
import { client } from "./client.ts";

const ASK_EVERY_MS = 15_000;

/** What the service says of itself, asked again and again. @param enabled for admins only */
export function useReady({ enabled }: { readonly enabled: boolean }): UseQueryResult<Ready> {
  return useQuery({
    queryKey: ["ready"],
    queryFn: ({ signal }) => client.readyz({ signal }),
    refetchInterval: ASK_EVERY_MS,
    enabled,
  });
}
