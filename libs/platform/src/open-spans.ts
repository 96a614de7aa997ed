/** Where spans go, if anywhere. The library that sends them is loaded only then. */
import type { Logger } from './logger.js';
import type { SpanSink } from './spans.js';

/** OpenTelemetry's own names, since whoever runs a collector sets them for all programs alike. */
export interface TracingSettings {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  readonly OTEL_TRACES_SAMPLER_ARG: number;
}

/** @param program `gateway`, `node`, `registry` @param name of this one among its like */
export async function openSpans(
  settings: TracingSettings,
  program: string,
  name: string,
  logger: Logger,
): Promise<SpanSink | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: share } = settings;
  if (endpoint === undefined) return undefined;
  const { OtlpSink } = await import('./otlp.js');
  return new OtlpSink({ endpoint, share, program, name, logger, random: Math.random });
}
