import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replicaStates } from '#contracts/nodes';
import type { ReplicaState } from '#contracts/nodes';
import { reconcile } from './reconcile.js';
import type { Present } from './reconcile.js';

const wanted = (version_id: string, config_revision = 1) => ({ version_id, config_revision });
const held = (version_id: string, state: ReplicaState, config_revision = 1, retryAtMs?: number): Present => ({
  version_id,
  config_revision,
  state,
  retryAtMs,
});
const kinds = (...args: Parameters<typeof reconcile>): string[] =>
  reconcile(...args).map((action) => {
    const of = action.kind === 'start' ? action.assignment : action.replica;
    return `${action.kind} ${of.version_id}/${of.config_revision}`;
  });

describe('reconcile', () => {
  it('starts what is new and leaves alone what is right', () => {
    expect(kinds([wanted('a'), wanted('b')], [held('a', 'READY')], 0)).toEqual(['start b/1']);
    expect(kinds([wanted('a')], [held('a', 'LOADING')], 0)).toEqual([]);
  });

  it('drains what serves, drops what does not serve yet', () => {
    expect(
      kinds([], [held('a', 'READY'), held('b', 'LOADING'), held('c', 'FAILED'), held('d', 'DRAINING')], 0),
    ).toEqual(['drain a/1', 'drop b/1', 'drop c/1']);
  });

  it('keeps the old config until the new one is READY, also when that fails', () => {
    const next = [wanted('a', 2)];
    expect(kinds(next, [held('a', 'READY', 1)], 0)).toEqual(['start a/2']);
    expect(kinds(next, [held('a', 'READY', 1), held('a', 'LOADING', 2)], 0)).toEqual([]);
    expect(kinds(next, [held('a', 'READY', 1), held('a', 'FAILED', 2)], 0)).toEqual([]);
    expect(kinds(next, [held('a', 'READY', 1), held('a', 'READY', 2)], 0)).toEqual(['drain a/1']);
  });

  it('revives what is wanted again, retries what is due', () => {
    expect(kinds([wanted('a')], [held('a', 'DRAINING')], 0)).toEqual(['revive a/1']);
    expect(kinds([wanted('a')], [held('a', 'FAILED', 1, 10)], 9)).toEqual([]);
    expect(kinds([wanted('a')], [held('a', 'FAILED', 1, 10)], 10)).toEqual(['retry a/1']);
    expect(kinds([wanted('a')], [held('a', 'FAILED')], 10)).toEqual([]);
  });

  it('never takes a serving replica that is wanted, nor the last serving revision of a wanted version', () => {
    const ids = fc.constantFrom('a', 'b', 'c');
    const revision = fc.integer({ min: 1, max: 3 });
    const key = (one: { version_id: string; config_revision: number }): string =>
      `${one.version_id}/${one.config_revision}`;
    const assignments = fc.uniqueArray(fc.record({ version_id: ids, config_revision: revision }), {
      selector: (one) => one.version_id,
    });
    const replicas = fc.uniqueArray(
      fc.record({
        version_id: ids,
        config_revision: revision,
        state: fc.constantFrom(...replicaStates),
        retryAtMs: fc.constant(undefined),
      }),
      { selector: key },
    );
    fc.assert(
      fc.property(assignments, replicas, (wants, has) => {
        const gone = new Set(
          reconcile(wants, has, 0).flatMap((action) =>
            action.kind === 'drain' || action.kind === 'drop' ? [key(action.replica)] : [],
          ),
        );
        for (const want of wants) {
          expect(gone.has(key(want))).toBe(false);
          const serving = has.filter((one) => one.version_id === want.version_id && one.state === 'READY');
          if (serving.length > 0) expect(serving.some((one) => !gone.has(key(one)))).toBe(true);
        }
      }),
    );
  });
});
