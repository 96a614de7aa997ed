import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sumUsage } from '#contracts/usage-totals';
import { UsageMeter } from '../data-plane/usage-meter.js';
import { readEntries, writeEntry } from './usage-lines.js';
import type { Journalled } from './usage-lines.js';

const one = fc.record({
  client: fc.constantFrom('shop', 'crawler "x"\n', 'ü'),
  endpoint: fc.constantFrom('iris', 'ocr/a b'),
  version: fc.nat(2),
  hour: fc.nat(1),
  rows: fc.nat(9),
});
const amountsOf = (rows: number) => ({
  requests: 1,
  rows,
  request_bytes: 10 * rows,
  response_bytes: 7,
  compute_us: 1_000,
});
const sorted = ({ rows, served }: Journalled) => ({
  rows: rows.map((row) => JSON.stringify(row)).sort(),
  served,
});

/** A journal of some entries, and what it says after each of them. */
function journalOf(
  entries: readonly (readonly {
    client: string;
    endpoint: string;
    version: number;
    hour: number;
    rows: number;
  }[])[],
) {
  const meter = new UsageMeter();
  const introduced = new Set<number>();
  const states: Journalled[] = [readEntries('')];
  const ends = [0];
  let text = '';
  for (const used of entries) {
    for (const { client, endpoint, version, hour, rows } of used)
      meter.add({ team: 't', client, endpoint, version, outcome: 'OK' }, hour * 3_600_000, amountsOf(rows));
    text += writeEntry(meter.takeChanges(), introduced);
    ends.push(Buffer.byteLength(text));
    states.push(readEntries(text));
  }
  return { bytes: Buffer.from(text), ends, states, drained: meter.drain() };
}

describe('a journal of usage', () => {
  it('says what was counted', () => {
    fc.assert(
      fc.property(fc.array(fc.array(one, { minLength: 1, maxLength: 6 }), { maxLength: 8 }), (entries) => {
        const { states, drained } = journalOf(entries);
        const last = states.at(-1) ?? readEntries('');
        expect(sorted(last)).toEqual(sorted(drained));
        expect(sumUsage(last.rows)).toEqual(last.served);
      }),
    );
  });

  it('that was cut off anywhere, or damaged, says what it said after an entry before', () => {
    const entries = fc.array(fc.array(one, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(entries, fc.nat(), fc.boolean(), (told, at, isDamaged) => {
        const { bytes, ends, states } = journalOf(told);
        const cut = at % (bytes.length + 1);
        const kept = Buffer.from(bytes.subarray(0, isDamaged ? bytes.length : cut));
        if (isDamaged) kept.fill(0, cut, Math.min(cut + 8, kept.length));
        const whole = ends.findLastIndex((end) => end <= cut);
        expect(sorted(readEntries(kept.toString()))).toEqual(sorted(states[whole] ?? readEntries('')));
      }),
    );
  });
});
