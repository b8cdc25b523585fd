import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";

export interface TraceExportOptions {
  /** where the collector takes OTLP by HTTP; the variables of OpenTelemetry say the rest */
  readonly endpoint: string;
  readonly version: string;
  /** told why spans were lost, the first time and once a minute after */
  readonly onError: (error: Error | undefined) => void;
}

const TELL_AGAIN_MS = 60_000;

/** Sends spans in the background, in batches. A collector that is away, slow or full costs spans and nothing else. */
export function openTraceExport({ endpoint, version, onError }: TraceExportOptions): BasicTracerProvider {
  const named = process.env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? "";
  const url = `${endpoint.replace(/\/$/, "")}/v1/traces`;
  const exporter = new OTLPTraceExporter(named === "" ? { url } : {});
  return new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": "backscroll", "service.version": version }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(tellFailures(exporter, onError))],
  });
}

function tellFailures(exporter: SpanExporter, onError: TraceExportOptions["onError"]): SpanExporter {
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    export(spans, done) {
      exporter.export(spans, (result: ExportResult) => {
        if (result.code === ExportResultCode.FAILED && performance.now() - toldAt > TELL_AGAIN_MS) {
          toldAt = performance.now();
          onError(result.error);
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
