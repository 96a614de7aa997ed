import { describe, expect, it } from 'vitest';
import { memoryOf } from './placement-input.js';
import type { VersionRow } from './placement-input.js';

const MiB = 2 ** 20;
const version: VersionRow = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  status: 'READY',
  status_reason: null,
  config_revision: 1,
  replicas: 1,
  instances: null,
  intra_op_threads: null,
  pinned: false,
  profile_memory_bytes: 100 * MiB,
  latency_ms: 20,
  warmup_ms: 30,
  signature: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }], outputs: [] },
  file_bytes: 10 * MiB,
  in_traffic: true,
  has_alias: false,
};
const quick = { latency_ms: 0.1 };
const unmeasured = { profile_memory_bytes: null, latency_ms: 0, warmup_ms: 0 };

describe('the memory that a replica takes', () => {
  it.each([
    ['as many runners as the node would start', {}, 2, 2 * 164],
    ['one on a single core', {}, 1, 164],
    ['one runner of a quick model', quick, 8, 164],
    ['the runners that the config names', { ...quick, instances: 3 }, 8, 3 * 164],
    ['fewer runners when each takes many threads', { intra_op_threads: 8 }, 8, 164],
    ['a guess from the files before it has been measured', unmeasured, 4, 2 * (64 + 20)],
  ])('is that of %s', (_, wishes, cores, mebibytes) => {
    expect(memoryOf({ ...version, ...wishes }, cores)).toBe(mebibytes * MiB);
  });
});
