import { Histogram, type Registry } from "prom-client";

const EVERY_MS = 100;

/**
 * Measures how late a timer fires: as late does everything else come. A histogram of its own, since prom-client's
 * gauges of the same begin anew with everybody who reads them, and two readers take each other's away.
 *
 * @returns stops it
 */
export function watchEventLoop(registry: Registry): () => void {
  const lag = new Histogram({
    name: "backscroll_event_loop_lag_seconds",
    help: "How late a timer of 100 ms fired",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [registry],
  });
  let dueAt = performance.now() + EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    lag.observe(Math.max(0, now - dueAt) / 1_000);
    dueAt = now + EVERY_MS;
  }, EVERY_MS).unref();
  return () => clearInterval(timer);
}
