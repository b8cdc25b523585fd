import cluster from "node:cluster";
import type { Config } from "../../config.ts";
import type { Together } from "../../create.ts";
import type { Recollection } from "../../metrics/sampler.ts";
import { sourceOf } from "../../metrics/source.ts";
import { describeFailure } from "../failure.ts";
import { startServing } from "../serving.ts";
import { type Line, openLine } from "./line.ts";
import type { Orders, PrimaryNotice, PrimaryQuestion, WorkerNotice, WorkerQuestion } from "./messages.ts";

/** The primary asks all workers and waits for none of them as long. */
const ANSWER_MS = 5_000;

type ToPrimary = Line<WorkerQuestion, WorkerNotice>;

/**
 * Serves, and tells the primary: when it is ready, or why it could not start; what it has counted. It leaves when the
 * primary says so, when it gets a SIGTERM, and when the primary is gone, however that went.
 */
export async function runWorker(settings: Config, orders: Orders): Promise<void> {
  const leaving = Promise.withResolvers<void>();
  // A terminal's Ctrl+C or hang-up reaches everybody in the group: what it means is the primary's to say.
  process.on("SIGINT", () => undefined).on("SIGHUP", () => undefined);
  process.on("SIGTERM", leaving.resolve);
  cluster.worker?.on("disconnect", () => {
    // Node.js ends the process now. That is right for one that does not serve yet: without a primary it never could.
    if (cluster.worker && figures) cluster.worker.exitedAfterDisconnect = true;
    leaving.resolve();
  });
  let sent = Promise.resolve();
  let figures: ReturnType<typeof sourceOf> | null = null;
  const primary: ToPrimary = openLine<PrimaryQuestion, PrimaryNotice, WorkerQuestion, WorkerNotice>(
    {
      send(message) {
        // Without a primary there is nobody to tell.
        if (process.connected)
          sent = new Promise((done) => process.send?.(message, undefined, undefined, () => done()));
      },
      onMessage: (listener) => void process.on("message", listener),
    },
    { answer: async ({ names }) => (await figures?.read(names)) ?? [], hear: () => leaving.resolve() },
  );
  try {
    const config = { ...settings, ...orders };
    const serving = await startServing(config, togetherBy(primary));
    figures = sourceOf(serving.backscroll.registry);
    primary.tell({ type: "ready", introduction: serving.introduction });
    await leaving.promise;
    await serving.stop();
    primary.tell({ type: "last_figures", figures: await figures.read() });
  } catch (error) {
    const failure = describeFailure(error);
    primary.tell({ type: "failed", failure });
    process.exitCode = failure.exitCode;
  }
  await sent;
  if (process.connected) process.disconnect();
  // What exports traces would go on trying, and keep the process.
  if (settings.otelExporterOtlpEndpoint !== undefined) process.exit();
}

function togetherBy(primary: ToPrimary): Together {
  return {
    exposition: async () => (await primary.ask({ type: "exposition" }, ANSWER_MS)) as string,
    memory: {
      recall: async (window) => (await primary.ask({ type: "recollection", window }, ANSWER_MS)) as Recollection,
    },
  };
}
