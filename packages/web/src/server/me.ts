import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { BackscrollApiError, type Me } from "backscroll-client";
import { client } from "./client.ts";

/** Who asks; null: nobody yet. */
export function useMe(): UseQueryResult<Me | null> {
  return useQuery({ queryKey: ["me"], queryFn: readMe });
}

async function readMe(): Promise<Me | null> {
  try {
    return await client.getMe();
  } catch (error) {
    if (error instanceof BackscrollApiError && error.code === "unauthenticated") return null;
    throw error;
  }
}
