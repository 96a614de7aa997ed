import { describe, expect, it } from 'vitest';
import { modelTable } from './model-table.js';
import type { ServedVersion } from './model-table.js';

const served = (version: number, state: ServedVersion['state'], configRevision = 1): ServedVersion => ({
  model: 'm',
  version,
  state,
  configRevision,
  signature: { inputs: [], outputs: [] },
  defaultTimeoutMs: 1,
  batching: { maxRows: 0, maxDelayUs: 0 },
  instances: 1,
  pool: { submit: () => undefined, inFlight: 0, residentBytes: 0 },
});

describe('modelTable', () => {
  it('answers without a version with the highest READY one', () => {
    const table = modelTable([served(2, 'READY'), served(10, 'READY'), served(11, 'DRAINING')], []);
    expect(table.find('m')?.version).toBe(10);
    expect(table.find('m', 11)?.version).toBe(11);
    expect(table.find('m', 12)).toBeUndefined();
    expect(table.readyVersions('m')).toEqual([2, 10]);
  });

  it('prefers the config revision that is not leaving, then the newer', () => {
    expect(
      modelTable([served(1, 'READY', 1), served(1, 'DRAINING', 2)], []).find('m', 1)?.configRevision,
    ).toBe(1);
    expect(modelTable([served(1, 'READY', 2), served(1, 'READY', 1)], []).find('m', 1)?.configRevision).toBe(
      2,
    );
  });

  it('knows what is held but does not serve', () => {
    const table = modelTable(
      [],
      [
        { model: 'm', version: 1, state: 'READY', reason: null },
        { model: 'm', version: 1, state: 'LOADING', reason: 'a newer revision' },
        { model: 'a', version: 7, state: 'FAILED', reason: 'bad' },
      ],
    );
    expect(table.held).toEqual([
      { model: 'a', version: 7, state: 'FAILED', reason: 'bad' },
      { model: 'm', version: 1, state: 'READY', reason: null },
    ]);
    expect(table.holds('m')).toBe(true);
    expect(table.holds('m', 2)).toBe(false);
    expect(table.holds('n')).toBe(false);
  });
});
