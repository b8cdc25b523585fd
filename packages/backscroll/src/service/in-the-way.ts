import { isInTheWay } from "../postgres/pool.ts";
import type { Deps } from "./deps.ts";

/**
 * Does some work again for as long as somebody else is in the way: two that wait for each other's rows are a deadlock,
 * and PostgreSQL undoes what one of them did.
 *
 * @param work one statement or transaction
 */
export async function whenNobodyIsInTheWay<Result>(
  { stopping }: Pick<Deps, "stopping">,
  work: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isInTheWay(error) || stopping.aborted) throw error;
    }
  }
}
