/** Sends spans by OTLP over HTTP, in batches and aside from whatever made them. Loaded only where a collector is configured. */
import { DiagLogLevel, SpanKind, SpanStatusCode, TraceFlags, diag } from '@opentelemetry/api';
import type { Attributes, HrTime, SpanContext } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from './logger.js';
import { programVersion } from './program.js';
import type { FinishedSpan, SpanSink } from './spans.js';

const maxWaiting = 2_048;
const batchSize = 512;
const everyMs = 1_000;
const sendTimeoutMs = 5_000;
const closeWithinMs = 2_000;

export interface OtlpOptions {
  /** The collector's base address, as in OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** Of the traces that begin here. */
  readonly share: number;
  readonly program: string;
  readonly name: string;
  readonly logger: Logger;
  readonly random: () => number;
}

const scope = { name: 'sluice', version: programVersion };

/** Seconds and nanoseconds since 1970 of a time on the monotonic clock. */
function hrTime(ms: number): HrTime {
  const epochMs = performance.timeOrigin + ms;
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1_000_000)];
}

/** An attribute without a value would be sent as an empty one. */
const known = (attributes: FinishedSpan['attributes']): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));

/** Durations are times that begin at nothing. */
const lasting = (ms: number): HrTime => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1_000_000)];

export class OtlpSink implements SpanSink {
  private readonly processor: BatchSpanProcessor;
  private readonly resource;

  constructor(private readonly options: OtlpOptions) {
    const { endpoint, program, name, logger } = options;
    const warn = (message: string): void =>
      logger.warn({ reason: message.slice(0, 500) }, 'spans are not sent');
    const quiet = (): void => undefined;
    const log = { error: warn, warn, info: quiet, debug: quiet, verbose: quiet };
    diag.setLogger(log, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
    this.resource = resourceFromAttributes({
      'service.name': `sluice-${program}`,
      'service.version': programVersion,
      'service.instance.id': name,
    });
    this.processor = new BatchSpanProcessor({
      exporter: new OTLPTraceExporter({
        url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
        timeoutMillis: sendTimeoutMs,
      }),
      maxQueueSize: maxWaiting,
      maxExportBatchSize: batchSize,
      scheduledDelayMillis: everyMs,
      exportTimeoutMillis: sendTimeoutMs,
    });
  }

  chooses(): boolean {
    return this.options.random() < this.options.share;
  }

  write({ name, kind, trace, startMs, endMs, attributes, error }: FinishedSpan): void {
    const context: SpanContext = {
      traceId: trace.traceId,
      spanId: trace.spanId,
      traceFlags: TraceFlags.SAMPLED,
    };
    const { parentId } = trace;
    this.processor.onEnd({
      name,
      kind: kind === 'server' ? SpanKind.SERVER : SpanKind.INTERNAL,
      spanContext: () => context,
      ...(parentId === undefined
        ? {}
        : { parentSpanContext: { ...context, spanId: parentId, isRemote: true } }),
      startTime: hrTime(startMs),
      endTime: hrTime(endMs),
      duration: lasting(endMs - startMs),
      status:
        error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
      attributes: known(attributes),
      links: [],
      events: [],
      ended: true,
      resource: this.resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    });
  }

  async close(): Promise<void> {
    const timer = new AbortController();
    const late = new Promise<void>((resolve) => {
      const timeout = setTimeout(resolve, closeWithinMs);
      timer.signal.addEventListener('abort', () => clearTimeout(timeout));
    });
    // What cannot be sent now is lost; its reason has been logged.
    await Promise.race([this.processor.shutdown().catch(() => undefined), late]);
    timer.abort();
  }
}
