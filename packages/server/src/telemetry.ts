/**
 * OpenTelemetry, for who asks for it (`LOCKSTEP_OTLP_URL`): a span for each request, in the caller's trace, sent to a collector by
 * OTLP over HTTP. Its packages are loaded then only.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { hostname } from 'node:os';
import type { RequestLabels } from './http/request-metrics.ts';

export interface TelemetryOptions {
  /** Base address of the collector, without a trailing slash: spans go to `/v1/traces` below it. */
  readonly url: string;
  readonly version: string;
  /** The node's name, to tell several apart. */
  readonly node: string;
}

export interface Telemetry {
  /**
   * Reports a request that was answered just now. Of its address only the route is reported: the rest may name patients and topics.
   * @param seconds that it took
   */
  request(of: RequestLabels, seconds: number, headers: IncomingHttpHeaders): void;
  /** Sends what waits, and ends. A collector that cannot be reached costs the spans and nothing else. */
  close(): Promise<void>;
}

/** `version-traceid-parentid-flags` (W3C Trace Context section 3.2.2). */
const TRACE_PARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** How long the last spans may take at the end, ms. */
const LAST = 3000;

export async function openTelemetry({ url, version, node }: TelemetryOptions): Promise<Telemetry> {
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = await import('@opentelemetry/api');
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces`, timeoutMillis: LAST });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'lockstep',
      'service.version': version,
      'service.instance.id': node,
      'host.name': hostname(),
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer('lockstep', version);

  return {
    request({ method, route, status }, seconds, { traceparent }) {
      const [, traceId, spanId, flags] = TRACE_PARENT.exec(typeof traceparent === 'string' ? traceparent : '') ?? [];
      const parent =
        traceId !== undefined && spanId !== undefined
          ? trace.setSpanContext(ROOT_CONTEXT, {
              traceId,
              spanId,
              traceFlags: Number.parseInt(flags ?? '00', 16),
              isRemote: true,
            })
          : ROOT_CONTEXT;
      const endTime = Date.now();
      const span = tracer.startSpan(
        `${method} ${route}`,
        {
          kind: SpanKind.SERVER,
          startTime: endTime - seconds * 1000,
          attributes: { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status },
        },
        parent,
      );
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(endTime);
    },
    close: () => provider.shutdown().catch(() => undefined),
  };
}
