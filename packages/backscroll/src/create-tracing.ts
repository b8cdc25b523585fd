import type { TracerProvider } from "@opentelemetry/api";
import type { Logger } from "pino";
import { type Config, ConfigError } from "./config.ts";
import { logText } from "./domain/logged-error.ts";
import { resultOf } from "./service/observe.ts";
import { NO_TRACER, type Tracer } from "./tracing/tracer.ts";
import { VERSION } from "./version.ts";

export interface CreatedTracing {
  readonly tracer: Tracer;
  /** Sends what has not been sent. */
  close(): Promise<void>;
}

/**
 * Puts traces together: a host's, or those that `OTEL_EXPORTER_OTLP_ENDPOINT` asks for. Without either nothing of
 * OpenTelemetry's SDK is loaded.
 *
 * @throws {ConfigError} when they are to be sent in a way that is not known here
 */
export async function createTracing(
  { otelExporterOtlpEndpoint: endpoint }: Config,
  { hostsProvider, log }: { hostsProvider: TracerProvider | undefined; log: Logger },
): Promise<CreatedTracing> {
  const isExported = endpoint !== undefined && !isDisabled(process.env);
  if (hostsProvider === undefined && !isExported) return { tracer: NO_TRACER, close: () => Promise.resolve() };
  const { createOpenTelemetryTracer } = await import("./tracing/opentelemetry.ts");
  const options = { version: VERSION, isRefusal: (error: unknown) => resultOf(error) === "refused" };
  if (hostsProvider !== undefined) {
    const tracer = createOpenTelemetryTracer({ ...options, provider: hostsProvider, isHosts: true });
    return { tracer, close: () => Promise.resolve() };
  }
  const obstacle = obstacleToTraces({ otelExporterOtlpEndpoint: endpoint }, process.env);
  if (obstacle !== null) throw new ConfigError(obstacle);
  const { openTraceExport } = await import("./tracing/export.ts");
  const provider = openTraceExport({
    endpoint: endpoint ?? "",
    version: VERSION,
    onError: (error) => log.warn({ error: logText(error) }, "traces could not be exported; they are lost"),
  });
  return {
    tracer: createOpenTelemetryTracer({ ...options, provider, isHosts: false }),
    // Why the last ones could not be sent has been told.
    close: () => provider.shutdown().catch(() => undefined),
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

function isDisabled({ OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER }: Environment): boolean {
  return OTEL_SDK_DISABLED?.toLowerCase() === "true" || OTEL_TRACES_EXPORTER === "none";
}

/** @returns why traces cannot be sent; null: they can, or are not to be */
export function obstacleToTraces(
  { otelExporterOtlpEndpoint: endpoint }: Pick<Config, "otelExporterOtlpEndpoint">,
  environment: Environment,
): string | null {
  if (endpoint === undefined || isDisabled(environment)) return null;
  const { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL } = environment;
  const protocol = OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || OTEL_EXPORTER_OTLP_PROTOCOL || "http/protobuf";
  if (protocol === "http/protobuf") return null;
  return "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, or OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: traces are sent in no other";
}
