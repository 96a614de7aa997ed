import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RetentionRule } from '#contracts/retention';
import { planRetention } from './retention-plan.js';
import type { RetainedVersion } from './retention-plan.js';

const now = new Date('2026-06-01T00:00:00Z');
const version = (number: number, more: Partial<RetainedVersion> = {}): RetainedVersion => ({
  number,
  status: 'READY',
  createdAt: new Date(now.getTime() - (100 - number) * 86_400_000),
  isArchived: false,
  hasTraffic: false,
  hasAlias: false,
  ...more,
});
const rule = (more: Partial<RetentionRule> = {}): RetentionRule => ({
  keep_last: 2,
  older_than_days: 0,
  action: 'archive',
  ...more,
});

describe('planRetention', () => {
  const versions = [
    version(1, { isArchived: true }),
    version(2, { hasTraffic: true }),
    version(3, { hasAlias: true }),
    version(4),
    version(5, { status: 'PENDING' }),
    version(6, { status: 'FAILED' }),
    version(7),
    version(8),
  ];

  it('archives what is neither new, young, used nor under check', () => {
    expect(planRetention(versions, rule(), now)).toEqual({
      archive: [6, 4],
      delete: [],
      keep: [
        { version: 8, reason: 'newest' },
        { version: 7, reason: 'newest' },
        { version: 5, reason: 'pending' },
        { version: 3, reason: 'alias' },
        { version: 2, reason: 'traffic' },
        { version: 1, reason: 'archived' },
      ],
      at: now.toISOString(),
    });
    expect(planRetention(versions, rule({ older_than_days: 95 }), now)).toMatchObject({ archive: [4] });
  });

  it('deletes only what is archived already', () => {
    expect(planRetention(versions, rule({ action: 'delete' }), now)).toMatchObject({
      archive: [6, 4],
      delete: [1],
    });
  });

  it('never touches what is used, and names each version once', () => {
    const anyVersion = fc.record({
      status: fc.constantFrom('PENDING', 'READY', 'FAILED'),
      ageDays: fc.nat(200),
      isArchived: fc.boolean(),
      hasTraffic: fc.boolean(),
      hasAlias: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(anyVersion, { maxLength: 30 }),
        fc.record({
          keep_last: fc.integer({ min: 1, max: 10 }),
          older_than_days: fc.nat(200),
          action: fc.constantFrom('archive', 'delete'),
        }),
        (made, wanted) => {
          const all = made.map(({ ageDays, ...rest }, index) => ({
            number: index + 1,
            createdAt: new Date(now.getTime() - ageDays * 86_400_000),
            ...rest,
          }));
          const plan = planRetention(all, wanted, now);
          const going = [...plan.archive, ...plan.delete];
          const numbers = [...going, ...plan.keep.map((kept) => kept.version)];
          expect(numbers.toSorted((a, b) => a - b)).toEqual(all.map((one) => one.number));
          for (const one of all.filter((each) => going.includes(each.number))) {
            expect(one.hasTraffic || one.hasAlias).toBe(false);
            expect(one.number).toBeLessThanOrEqual(all.length - wanted.keep_last);
          }
        },
      ),
    );
  });
});
