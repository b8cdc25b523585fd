import type { IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import { serve } from "./responder-fixture.ts";

/** A span as a collector was sent it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** "" for a root */
  readonly parentId: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "other";
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** ids of the spans that it is linked to */
  readonly links: readonly string[];
  readonly isError: boolean;
  readonly startedAt: bigint;
  readonly endedAt: bigint;
}

export interface OtlpReceiver {
  /** for OTEL_EXPORTER_OTLP_ENDPOINT */
  readonly endpoint: string;
  readonly spans: readonly ReceivedSpan[];
  /** attributes of the resource that sent them */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
  readonly headers: IncomingHttpHeaders;
  /** what came, byte for byte */
  readonly bytes: string;
}

/** A collector that takes OTLP over HTTP, in protobuf: https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const received = { resource: {}, headers: {} as IncomingHttpHeaders, bytes: "" };
  const endpoint = await serve(async (request, response) => {
    const body = await buffer(request);
    if (request.method !== "POST" || request.url !== "/v1/traces") {
      response.writeHead(404).end();
      return;
    }
    received.headers = request.headers;
    received.bytes += body.toString("latin1");
    for (const resourceSpans of fields(body).all(1)) {
      for (const resource of fields(resourceSpans).all(1)) received.resource = attributesOf(resource, 1);
      for (const scopeSpans of fields(resourceSpans).all(2)) spans.push(...fields(scopeSpans).all(2).map(toSpan));
    }
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  return {
    endpoint,
    spans,
    get resource() {
      return received.resource;
    },
    get headers() {
      return received.headers;
    },
    get bytes() {
      return received.bytes;
    },
  };
}

/** https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto */
function toSpan(bytes: Buffer): ReceivedSpan {
  const span = fields(bytes);
  const hex = (field: number): string => span.first(field).toString("hex");
  const [status] = span.all(15);
  return {
    traceId: hex(1),
    spanId: hex(2),
    parentId: hex(4),
    name: span.first(5).toString(),
    kind: ([undefined, "internal", "server", "client"] as const)[span.number(6)] ?? "other",
    startedAt: span.first(7).readBigUInt64LE(),
    endedAt: span.first(8).readBigUInt64LE(),
    attributes: attributesOf(bytes, 9),
    links: span.all(13).map((link) => fields(link).first(2).toString("hex")),
    isError: status !== undefined && fields(status).number(3) === 2,
  };
}

function attributesOf(bytes: Buffer, field: number): Record<string, string | number | boolean> {
  const pairs = fields(bytes)
    .all(field)
    .map((pair) => [fields(pair).first(1).toString(), toValue(fields(pair).first(2))] as const);
  return Object.fromEntries(pairs);
}

function toValue(bytes: Buffer): string | number | boolean {
  const value = fields(bytes);
  const [text] = value.all(1);
  if (text) return text.toString();
  return value.has(2) ? value.number(2) === 1 : value.number(3);
}

interface Fields {
  has(field: number): boolean;
  all(field: number): readonly Buffer[];
  /** empty when there is none */
  first(field: number): Buffer;
  number(field: number): number;
}

/** https://protobuf.dev/programming-guides/encoding/ */
function fields(bytes: Buffer): Fields {
  const found: { field: number; value: Buffer | number }[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === 0) found.push({ field, value: varint() });
    else if (type === 1) found.push({ field, value: take(8) });
    else if (type === 2) found.push({ field, value: take(varint()) });
    else if (type === 5) found.push({ field, value: take(4) });
    else throw new Error(`no wire type of protobuf: ${type}`);
  }
  const all = (field: number): readonly Buffer[] =>
    found.filter((each) => each.field === field).flatMap(({ value }) => (typeof value === "number" ? [] : [value]));
  return {
    all,
    has: (field) => found.some((each) => each.field === field),
    first: (field) => all(field)[0] ?? Buffer.alloc(0),
    number: (field) => Number(found.find((each) => each.field === field)?.value ?? 0),
  };
}
