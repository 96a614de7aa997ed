/**
 * The state of the data plane: the table of the moment, and beside it all that outlives a table. The control side puts in
 * snapshots and the credential; the request path only reads the table and counts.
 */
import type { Snapshot } from '#contracts/snapshot';
import { QuotaBook } from '#quota/book';
import { LeaseDesk } from '#quota/lease-desk';
import { runAtOnce } from '#platform/time-slices';
import type { Steps } from '#platform/time-slices';
import { RetryBudget } from '#routing/retry-budget';
import type { Logger } from '#platform/logger';
import type { SpanSink } from '#platform/spans';
import type { AccessLog } from './access-log.js';
import { ApiTokens } from './api-tokens.js';
import { Authenticator, sameKeySet } from './authenticate.js';
import { Cors } from './cors.js';
import { compileTable } from './routing-table.js';
import type { RoutingTable } from './routing-table.js';
import { Shadows } from './shadow.js';
import type { ShadowSettings } from './shadow.js';
import { TrafficCounters } from './traffic-counters.js';
import { Upstreams } from './upstreams.js';
import { UsageMeter } from './usage-meter.js';
import type { UsageBacklog } from './usage-meter.js';
import type { UpstreamSettings } from './upstreams.js';

export interface DataPlaneSettings extends UpstreamSettings, ShadowSettings {
  readonly registryUrl: string;
  /** What the gateway calls itself in the Open Inference Protocol. */
  readonly serverName: string;
  /** Bodies up to this size are held, so that they can be sent twice. */
  readonly holdBytes: number;
  readonly maxBodyBytes: number;
  readonly maxTimeoutMs: number;
  /** For a body to arrive, within the deadline of its request. */
  readonly bodyTimeoutMs: number;
  readonly maxCachedTokens: number;
  /** Origins of pages that may call, `*` for all; none: browsers are not told anything. */
  readonly corsOrigins: ReadonlySet<string>;
}

export class Core {
  table: RoutingTable | undefined;
  /** When the table was last known to be the registry's. */
  freshAtMs = 0;
  draining = false;
  /** A token named a key that is not known of its outside issuer. */
  onUnknownKey: (issuer: string) => void = () => undefined;
  /** Ids of API tokens that were used since it was last told. */
  readonly usedApiTokens = new Set<string>();
  accessLog: AccessLog | undefined;
  spans: SpanSink | undefined;
  inFlight = 0;
  readonly counters = new TrafficCounters();
  readonly usage = new UsageMeter();
  usageBacklog: UsageBacklog | undefined;
  readonly quotas = new QuotaBook();
  readonly leases = new LeaseDesk(this.quotas);
  readonly retryBudget = new RetryBudget();
  readonly upstreams: Upstreams;
  readonly cors: Cors | undefined;
  readonly random = Math.random;
  readonly shadows = new Shadows(this);
  private bearer = '';
  private isApplying = false;
  private mustRecompile = false;

  constructor(
    readonly settings: DataPlaneSettings,
    readonly logger: Logger,
  ) {
    this.upstreams = new Upstreams(settings);
    this.cors = settings.corsOrigins.size === 0 ? undefined : new Cors(settings.corsOrigins);
  }

  /** The gateway's own credential; empty until it has one. */
  get credential(): string {
    return this.bearer.slice('Bearer '.length);
  }

  set credential(text: string) {
    this.bearer = `Bearer ${text}`;
  }

  /** The credential as nodes want it. */
  get authorization(): string {
    return this.bearer;
  }

  get ready(): boolean {
    return this.table !== undefined && !this.draining;
  }

  /** Swaps the table whole. */
  apply(snapshot: Snapshot): void {
    runAtOnce(this.applying(snapshot));
  }

  /** The same in steps; the last of them swaps. One at a time. */
  *applying(snapshot: Snapshot): Steps<void> {
    this.isApplying = true;
    try {
      yield* this.compiling(snapshot);
    } finally {
      this.isApplying = false;
    }
    this.leases.refresh(this.quotas.replace(snapshot.quotas), performance.now());
    if (this.mustRecompile) this.recompile();
  }

  /** Another table from the same snapshot: an external node has come or gone. */
  recompile(): void {
    this.mustRecompile = this.isApplying;
    if (this.table && !this.isApplying) runAtOnce(this.compiling(this.table.snapshot));
  }

  private *compiling(snapshot: Snapshot): Steps<void> {
    const last = this.table?.authenticator;
    const authenticator =
      last && sameKeySet(last.keySet, snapshot)
        ? last
        : new Authenticator(snapshot, this.settings.maxCachedTokens, (issuer) => this.onUnknownKey(issuer));
    const apiTokens = new ApiTokens(snapshot.api_tokens, this.usedApiTokens);
    const upstreams = this.upstreams.rebuild(performance.now());
    const { counters, settings: limits, table } = this;
    const next = yield* compileTable(snapshot, {
      authenticator,
      apiTokens,
      counters,
      upstreams,
      limits,
      last: table,
    });
    this.table = next;
    upstreams.commit();
    this.counters.keepOnly(next.endpoints);
  }
}
