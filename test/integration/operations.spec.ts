/** What operators read and load is true: every metric that page, alerts and dashboard name is one that a gateway has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { createLogger } from '#platform/logger';
import { packageRoot } from '#platform/program';
import { createMetrics } from '../../apps/gateway/src/admin/metrics.js';
import { GatewaySettings, dataPlaneSettings } from '../../apps/gateway/src/config.js';
import { Core } from '../../apps/gateway/src/data-plane/core.js';
import { MergedMetrics } from '../../apps/gateway/src/workers/merged-metrics.js';

const text = (file: string): string => readFileSync(join(packageRoot, file), 'utf8');

async function metricNames(): Promise<string> {
  const settings = GatewaySettings.parse({ SLUICE_GATEWAY_JOIN_TOKEN: 'a-join-token-for-tests' });
  const core = new Core(
    dataPlaneSettings(settings, () => ({})),
    createLogger('gateway', 'silent'),
  );
  const merged = new MergedMetrics({ workers: () => 1, restarts: () => 0 });
  return (await createMetrics(core).metrics()) + (await merged.text());
}

const named = (file: string): Set<string> =>
  new Set([...text(file).matchAll(/\b(?:sluice_gateway|nodejs)_[a-z0-9_]*[a-z0-9]/g)].map(([name]) => name));

it.each(['docs/operations.md', 'deploy/prometheus/rules.yml', 'deploy/grafana/gateway.json'])(
  '%s names only what there is',
  async (file) => {
    const metrics = await metricNames();
    const wanted = [...named(file)].map((name) => name.replace(/_bucket$/, ''));
    expect(wanted.length).toBeGreaterThan(5);
    expect(wanted.filter((name) => !metrics.includes(`# TYPE ${name} `))).toEqual([]);
  },
);

it('the page tells of every metric of ours', async () => {
  const all = [...(await metricNames()).matchAll(/^# TYPE (sluice_gateway_\w+) /gm)].map(
    ([, name]) => name ?? '',
  );
  const told = text('docs/operations.md');
  expect(all.filter((name) => !told.includes(name))).toEqual([]);
});

it('alerts and dashboard can be read', () => {
  expect(parse(text('deploy/prometheus/rules.yml'))).toHaveProperty(['groups', 0, 'rules', 0, 'expr']);
  expect(JSON.parse(text('deploy/grafana/gateway.json'))).toHaveProperty(['panels', 0, 'targets', 0, 'expr']);
});
