import type { ReplicaReport } from '#contracts/nodes';
import { describe, expect, it } from 'vitest';
import { applyReport, retryDelayMs } from './replica-report.js';
import type { KnownReplica } from './replica-report.js';

const nowMs = 1_000_000;
const known = (over: Partial<KnownReplica> = {}): KnownReplica => ({
  version_id: 'v',
  wanted: true,
  state: 'ASSIGNED',
  reported_config_revision: null,
  reason: null,
  next: null,
  attempts: 0,
  retry_at: null,
  version_status: 'PENDING',
  attempts_elsewhere: 0,
  ...over,
});
const report = (over: Partial<ReplicaReport> = {}): ReplicaReport => ({
  version_id: 'v',
  config_revision: 1,
  state: 'LOADING',
  reason: null,
  permanent: false,
  signature: null,
  profile: null,
  ...over,
});

describe('applyReport', () => {
  it('says nothing when nothing has changed', () => {
    const replica = known({ state: 'LOADING', reported_config_revision: 1 });
    expect(applyReport([replica], [report()], nowMs)).toEqual({
      changed: [],
      gone: [],
      ready: [],
      failed: [],
      servingChanged: false,
      placementChanged: false,
    });
  });

  it('counts a failure once, however often it is reported, and again after another try', () => {
    const failed = report({ state: 'FAILED', reason: 'disk full' });
    const [first] = applyReport([known()], [failed], nowMs).changed;
    expect(first).toMatchObject({ attempts: 1, retry_at: new Date(nowMs + 2_000), reason: 'disk full' });
    const after = known({ ...first });
    expect(applyReport([after], [failed], nowMs + 500).changed).toEqual([]);
    const retried = known({ ...first, state: 'ASSIGNED', retry_at: null });
    expect(applyReport([retried], [failed], nowMs).changed).toMatchObject([
      { attempts: 2, retry_at: new Date(nowMs + 4_000) },
    ]);
  });

  it('gives every failure a reason', () => {
    const { changed, failed } = applyReport([known()], [report({ state: 'FAILED', permanent: true })], nowMs);
    expect(changed).toMatchObject([{ reason: 'The node gave no reason.' }]);
    expect(failed).toEqual([{ version_id: 'v', reason: 'The node gave no reason.' }]);
  });

  it('forgets failures when the replica is READY', () => {
    const replica = known({ attempts: 2, version_status: 'READY', state: 'LOADING' });
    const outcome = applyReport([replica], [report({ state: 'READY' })], nowMs);
    expect(outcome.changed).toMatchObject([{ attempts: 0, retry_at: null }]);
    expect(outcome).toMatchObject({ servingChanged: true, placementChanged: true });
  });

  it('does not call a version READY without its signature and profile', () => {
    expect(applyReport([known()], [report({ state: 'READY' })], nowMs).ready).toEqual([]);
  });

  it('lets a READY version stay READY when a replica of it fails', () => {
    const replica = known({ version_status: 'READY', state: 'READY', reported_config_revision: 1 });
    const outcome = applyReport([replica], [report({ state: 'FAILED', permanent: true })], nowMs);
    expect(outcome.failed).toEqual([]);
    expect(outcome.servingChanged).toBe(true);
  });

  it('starts a wanted replica anew when the node does not have it', () => {
    const replica = known({ state: 'READY', reported_config_revision: 1 });
    const outcome = applyReport([replica], [], nowMs);
    expect(outcome.changed).toMatchObject([{ state: 'ASSIGNED', reported_config_revision: null }]);
    expect(outcome.servingChanged).toBe(true);
  });

  it('lets go of what is neither wanted nor held, but remembers failures', () => {
    const unwanted = known({ wanted: false, state: 'DRAINING' });
    expect(applyReport([unwanted], [], nowMs).gone).toEqual(['v']);
    const failed = known({
      wanted: false,
      state: 'FAILED',
      reason: 'x',
      attempts: 1,
      retry_at: new Date(nowMs),
    });
    expect(applyReport([failed], [], nowMs)).toMatchObject({ gone: [], changed: [] });
  });

  describe('of two config revisions of a version', () => {
    const serving = known({ state: 'READY', reported_config_revision: 1, version_status: 'READY' });
    const old = report({ config_revision: 1, state: 'READY' });
    const failed = report({ config_revision: 2, state: 'FAILED', reason: 'out of memory' });

    it.each([
      ['the new one first', [failed, old]],
      ['the old one first', [old, failed]],
    ])('keeps READY and shows the failed one: %s', (_, reports) => {
      const outcome = applyReport([serving], reports, nowMs);
      expect(outcome.changed).toMatchObject([
        {
          state: 'READY',
          reported_config_revision: 1,
          attempts: 0,
          next: { config_revision: 2, state: 'FAILED', reason: 'out of memory' },
        },
      ]);
      expect(outcome).toMatchObject({ servingChanged: false, placementChanged: true, failed: [] });
    });

    it('says nothing twice, and forgets the new one when it serves', () => {
      const [after] = applyReport([serving], [old, failed], nowMs).changed;
      const told = known({ ...serving, ...after });
      expect(applyReport([told], [old, failed], nowMs).changed).toEqual([]);
      const served = applyReport([told], [report({ config_revision: 2, state: 'READY' }), old], nowMs);
      expect(served.changed).toMatchObject([{ state: 'READY', reported_config_revision: 2, next: null }]);
      expect(served.servingChanged).toBe(false);
    });

    it('counts the newest when none of them serves', () => {
      const outcome = applyReport([serving], [report({ config_revision: 1 }), failed], nowMs);
      expect(outcome.changed).toMatchObject([{ state: 'FAILED', reported_config_revision: 2, next: null }]);
    });
  });

  it('leaves out what the node was never given', () => {
    expect(applyReport([], [report({ state: 'READY' })], nowMs)).toMatchObject({ changed: [], ready: [] });
  });
});

describe('retryDelayMs', () => {
  it('doubles up to five minutes', () => {
    expect([1, 2, 3, 8, 9, 50].map(retryDelayMs)).toEqual([2_000, 4_000, 8_000, 256_000, 300_000, 300_000]);
  });
});
