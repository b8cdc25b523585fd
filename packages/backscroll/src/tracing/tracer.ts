/** Of a span, by OpenTelemetry's semantic conventions: names, numbers, codes; never content, parameters or people. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** `client`: a call to another server; it has a span only as a part of one that has not ended */
  readonly kind?: "internal" | "client";
  readonly attributes?: Attributes;
}

export interface Span {
  /** null: it is recorded nowhere */
  readonly traceId: string | null;
  set(attributes: Attributes): void;
}

/** The span of a request that is being answered. */
export interface ServerSpan extends Span {
  /** what is begun in it belongs to the span, also when it goes on after its end */
  within<Result>(work: () => Result): Result;
  /** @param errorType of an answer that is this server's fault */
  end(name: string, attributes: Attributes, errorType?: string): void;
}

/** Where something is in its trace; opaque. */
export type Place = unknown;

/** Tells how long the parts of a request took, on all servers that had to do with it. */
export interface Tracer {
  /** Answers a request; it goes on with the trace that its headers name. */
  serve(header: (name: string) => string | undefined): ServerSpan;
  /** Does a part of what goes on; what it throws is the span's `error.type`, by its code or name. */
  span<Result>(name: string, options: SpanOptions, work: (span: Span) => Promise<Result>): Promise<Result>;
  place(): Place;
  /** Does what was asked for at another place. */
  at<Result>(place: Place, work: () => Result): Result;
  /** Does once what was asked for at several places: a part of the first, with links from and to the others. */
  together<Result>(name: string, places: readonly Place[], work: () => Promise<Result>): Promise<Result>;
  /** what a call carries so that its server goes on with the trace; without one, nothing */
  headers(): Readonly<Record<string, string>>;
}

export const NO_SPAN: ServerSpan = {
  traceId: null,
  set: () => undefined,
  within: (work) => work(),
  end: () => undefined,
};

export const NO_TRACER: Tracer = {
  serve: () => NO_SPAN,
  span: (_, __, work) => work(NO_SPAN),
  place: () => null,
  at: (_, work) => work(),
  together: (_, __, work) => work(),
  headers: () => ({}),
};
