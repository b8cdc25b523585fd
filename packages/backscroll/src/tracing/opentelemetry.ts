import {
  type Context,
  context as hostContext,
  type Link,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { AsyncLocalStorage } from "node:async_hooks";
import { type Attributes, NO_TRACER, type Place, type Span, type SpanOptions, type Tracer } from "./tracer.ts";

export interface OpenTelemetryOptions {
  readonly provider: TracerProvider;
  readonly version: string;
  /** true: the provider is a host's, and so is the context that goes with its work */
  readonly isHosts: boolean;
  /** @returns whether an error is the caller's own: a span that ends with it has not failed */
  readonly isRefusal: (error: unknown) => boolean;
}

/** Carries a span's context along with the work that is done in it. */
interface Contexts {
  active(): Context;
  with<Result>(context: Context, work: () => Result): Result;
}

/** Nothing is registered globally, and no module is patched: a host's OpenTelemetry stays its own. */
export function createOpenTelemetryTracer({ provider, version, isHosts, isRefusal }: OpenTelemetryOptions): Tracer {
  const tracer = provider.getTracer("backscroll", version);
  const contexts: Contexts = isHosts ? hostContext : ownContexts();
  const propagator = new W3CTraceContextPropagator();

  const run = async <Result>(span: OtelSpan, parent: Context, work: () => Promise<Result>): Promise<Result> => {
    try {
      return await contexts.with(trace.setSpan(parent, span), work);
    } catch (error) {
      fail(span, errorType(error), isRefusal(error));
      throw error;
    } finally {
      span.end();
    }
  };

  return {
    serve(header) {
      const getter = {
        get: (_: object, name: string) => header(name),
        keys: () => propagator.fields(),
      };
      // A host's own span of the request goes before what the client sent: it has gone on with that.
      const active = contexts.active();
      const parent = trace.getSpan(active) ? active : propagator.extract(active, {}, getter);
      const span = tracer.startSpan("request", { kind: SpanKind.SERVER }, parent);
      return {
        ...toSpan(span),
        within: (work) => contexts.with(trace.setSpan(parent, span), work),
        end(name, attributes, failure) {
          span.updateName(name);
          span.setAttributes(attributes);
          if (failure !== undefined) fail(span, failure, false);
          span.end();
        },
      };
    },
    span(name, { kind = "internal", attributes = {} }: SpanOptions, work) {
      const parent = contexts.active();
      // What was begun in a request and goes on by itself, a poll or another try, would be added to its trace for ever.
      if (kind === "client" && !trace.getSpan(parent)?.isRecording()) return NO_TRACER.span(name, {}, work);
      const options = { kind: kind === "client" ? SpanKind.CLIENT : SpanKind.INTERNAL, attributes };
      const span = tracer.startSpan(name, options, parent);
      return run(span, parent, () => work(toSpan(span)));
    },
    place: () => contexts.active(),
    at: (place, work) => contexts.with(contextOf(place), work),
    together(name, places, work) {
      const [parent = ROOT_CONTEXT, ...others] = places.map(contextOf);
      const spans = others.map((context) => trace.getSpan(context)).filter((span) => span !== undefined);
      const links = spans.map((span): Link => ({ context: span.spanContext() }));
      const shared = tracer.startSpan(name, { kind: SpanKind.INTERNAL, links }, parent);
      for (const span of spans) span.addLink({ context: shared.spanContext() });
      return run(shared, parent, work);
    },
    headers() {
      const headers: Record<string, string> = {};
      propagator.inject(contexts.active(), headers, {
        set: (to, name, value) => ((to as typeof headers)[name] = value),
      });
      return headers;
    },
  };
}

function contextOf(place: Place): Context {
  return place as Context;
}

function ownContexts(): Contexts {
  const storage = new AsyncLocalStorage<Context>();
  return {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (context, work) => storage.run(context, work),
  };
}

function toSpan(span: OtelSpan): Span {
  return {
    traceId: span.spanContext().traceId,
    set: (attributes: Attributes) => void span.setAttributes(attributes),
  };
}

/** Neither message nor stack: they may quote. */
function fail(span: OtelSpan, type: string, isRefusal: boolean): void {
  span.setAttribute("error.type", type);
  if (!isRefusal) span.setStatus({ code: SpanStatusCode.ERROR });
}

function errorType(error: unknown): string {
  if (!(error instanceof Error)) return "_OTHER";
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? code : error.name;
}
