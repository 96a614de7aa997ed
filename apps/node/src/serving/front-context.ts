/** What every route of the front may use. */
import type { ServerMetadata } from '#contracts/oip';
import type { Logger } from '#platform/logger';
import type { SpanSink } from '#platform/spans';
import type { ModelTable } from './model-table.js';
import type { Statistics } from './statistics.js';

export interface FrontLimits {
  /** Of a request as it comes over the wire. */
  readonly maxBodyBytes: number;
  /** Of a compressed request, once it is no longer so. */
  readonly maxInflatedBytes: number;
  /** How long a request may take to arrive. */
  readonly bodyTimeoutMs: number;
}

export interface FrontContext {
  readonly table: () => ModelTable;
  readonly statistics: Statistics;
  readonly limits: FrontLimits;
  readonly server: ServerMetadata;
  readonly logger: Logger;
  readonly spans: SpanSink | undefined;
}
