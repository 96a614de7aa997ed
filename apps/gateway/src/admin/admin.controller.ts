import { Controller, Get, Header, HttpCode, Inject, Post, Query, UseGuards } from '@nestjs/common';
import { Registry } from 'prom-client';
import { z } from 'zod';
import type { Snapshot } from '#contracts/snapshot';
import { SluiceError } from '#platform/errors';
import { Core } from '../data-plane/core.js';
import { ExplainQuery, explain } from './explain.js';
import type { Explanation } from './explain.js';
import { AdminGuard } from './admin.guard.js';

@Controller('health')
export class HealthController {
  constructor(@Inject(Core) private readonly core: Core) {}

  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  ready(): { status: 'ok' } {
    if (this.core.draining) throw new SluiceError('DRAINING', 'This gateway is shutting down.');
    if (!this.core.ready) throw new SluiceError('NOT_READY', 'This gateway has no routing table yet.');
    return { status: 'ok' };
  }
}

/** What the gateway serves from now. */
export interface SnapshotView {
  readonly snapshot: Snapshot;
  /** When the registry was last heard; null if not since the start. */
  readonly heard_at: string | null;
  /** Versions and aliases in the traffic of an endpoint that get nothing, because no replica is ready. */
  readonly gated: Readonly<Record<string, readonly (number | string)[]>>;
  readonly ejected: readonly { readonly model_path: string; readonly address: string }[];
  /** Versions at servers that are not Sluice's, as the checks of this gateway found them. */
  readonly external: readonly {
    readonly node_id: string;
    readonly address: string;
    readonly path: string;
    readonly ready: boolean;
  }[];
}

/** What external nodes want to see is nobody's business. */
const withoutSecrets = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  external_nodes: snapshot.external_nodes.map((node) => ({
    ...node,
    authorization: node.authorization && '(hidden)',
  })),
});

/** What answers here. */
export interface ProcessView {
  readonly pid: number;
  readonly draining: boolean;
  readonly in_flight: number;
  readonly snapshot_revision: number | null;
}

@Controller()
@UseGuards(AdminGuard)
export class AdminController {
  constructor(
    @Inject(Core) private readonly core: Core,
    @Inject(Registry) private readonly metrics: Registry,
  ) {}

  @Get('metrics')
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  readMetrics(): Promise<string> {
    return this.metrics.metrics();
  }

  /** For the process above, which adds up what its workers say. */
  @Get('metrics/json')
  readMetricRows(): Promise<unknown[]> {
    return this.metrics.getMetricsAsJSON();
  }

  @Get('process')
  readProcess(): ProcessView {
    const { draining, inFlight, table } = this.core;
    return {
      pid: process.pid,
      draining,
      in_flight: inFlight,
      snapshot_revision: table?.snapshot.revision ?? null,
    };
  }

  @Get('snapshot')
  readSnapshot(): SnapshotView {
    const { table, freshAtMs } = this.core;
    if (!table) throw new SluiceError('NOT_READY', 'This gateway has no routing table yet.');
    const endpoints = [...table.endpoints.values()];
    const versions = new Set(endpoints.flatMap(({ routes }) => [...routes.versions.values()]));
    const nowMs = performance.now();
    return {
      snapshot: withoutSecrets(table.snapshot),
      heard_at: freshAtMs === 0 ? null : new Date(freshAtMs).toISOString(),
      gated: Object.fromEntries(
        endpoints
          .filter(({ routes }) => routes.gated.length > 0)
          .map(({ name, routes }) => [name, routes.gated]),
      ),
      ejected: [...versions].flatMap(({ path, replicas }) =>
        replicas
          .filter(({ health }) => health.ejectedUntilMs > nowMs)
          .map(({ address }) => ({ model_path: path, address })),
      ),
      external: [...this.core.upstreams.all()].flatMap(({ nodeId, address, path, external }) =>
        external ? [{ node_id: nodeId, address, path, ready: external.isReady }] : [],
      ),
    };
  }

  @Get('explain')
  explain(@Query() query: unknown): Explanation {
    const { data, error } = ExplainQuery.safeParse(query);
    if (!data) throw new SluiceError('INVALID_REQUEST', z.prettifyError(error));
    return explain(this.core, data, performance.now());
  }

  /** Not ready any more, and connections are closed after their answer; the process goes on until it is told to end. */
  @Post('drain')
  @HttpCode(202)
  drain(): { status: 'draining' } {
    this.core.draining = true;
    return { status: 'draining' };
  }
}
