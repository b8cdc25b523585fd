import type { Window } from "../../metrics/sampler.ts";
import type { Figures } from "../../metrics/source.ts";
import type { Failure } from "../failure.ts";
import type { Introduction } from "../banner.ts";

/** What a worker is told when it starts, in its environment: the rest of its settings are the primary's. */
export interface Orders {
  readonly port: number;
  readonly databasePoolMax: number;
}

export const ORDERS_VARIABLE = "BACKSCROLL_WORKER_ORDERS";

export type WorkerNotice =
  | { readonly type: "ready"; readonly introduction: Introduction }
  | { readonly type: "failed"; readonly failure: Failure }
  /** nothing is counted after it */
  | { readonly type: "last_figures"; readonly figures: readonly Figures[] };

export type PrimaryNotice = { readonly type: "leave" };

/** asked by a worker: a string; a `Recollection` */
export type WorkerQuestion =
  | { readonly type: "exposition" }
  | { readonly type: "recollection"; readonly window: Window };

/** asked by the primary: `Figures[]` */
export type PrimaryQuestion = { readonly type: "figures"; readonly names?: readonly string[] | undefined };
