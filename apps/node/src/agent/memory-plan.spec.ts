import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roomFor } from './memory-plan.js';
import type { Holder } from './memory-plan.js';

const MiB = 1_048_576;
const holder = (version_id: string, over: Partial<Holder> = {}): Holder => ({
  version_id,
  residentBytes: 100 * MiB,
  isPinned: false,
  isEvictable: true,
  lastUsedMs: 0,
  ...over,
});
const memory = { capacityBytes: 300 * MiB, reservedBytes: 0 };
const claim = { versionId: 'new', bytes: 100 * MiB };

describe('roomFor', () => {
  it('takes free memory and evicts nobody', () => {
    expect(roomFor(claim, [holder('a'), holder('b')], memory)).toEqual({ kind: 'take', evict: [] });
  });

  it('evicts those used longest ago, no more than needed', () => {
    const holders = [
      holder('a', { lastUsedMs: 3 }),
      holder('b', { lastUsedMs: 1 }),
      holder('c', { lastUsedMs: 2 }),
    ];
    const evicted = (bytes: number): unknown => {
      const room = roomFor({ ...claim, bytes: bytes * MiB }, holders, memory);
      return room.kind === 'take' ? room.evict.map(({ version_id }) => version_id) : room.kind;
    };
    expect(evicted(100)).toEqual(['b']);
    expect(evicted(101)).toEqual(['b', 'c']);
    expect(evicted(300)).toEqual(['b', 'c', 'a']);
  });

  it('waits for the busy, and evicts nobody in vain', () => {
    const holders = [holder('a', { isEvictable: false, residentBytes: 250 * MiB }), holder('b')];
    expect(roomFor({ ...claim, bytes: 200 * MiB }, holders, memory)).toEqual({ kind: 'wait' });
  });

  it('counts what loads under way were promised', () => {
    const room = roomFor(claim, [holder('a', { isEvictable: false })], {
      ...memory,
      reservedBytes: 150 * MiB,
    });
    expect(room).toEqual({ kind: 'wait' });
  });

  it('says at once what will never fit beside the pinned', () => {
    const pinned = holder('p', { isPinned: true, isEvictable: false, residentBytes: 250 * MiB });
    expect(roomFor(claim, [pinned], memory)).toEqual({
      kind: 'never',
      reason: 'It needs 100 MiB of memory; this node has 300 MiB, of which pinned versions hold 250 MiB.',
    });
  });

  it('lets a new config revision in beside the old one, busy or not', () => {
    const old = holder('new', { isEvictable: false, residentBytes: 280 * MiB });
    expect(roomFor({ ...claim, bytes: 280 * MiB }, [old], memory)).toEqual({ kind: 'take', evict: [] });
  });

  it('never evicts a busy or pinned version, and never takes more than there is', () => {
    const holders = fc.array(
      fc.record({
        version_id: fc.uuid(),
        residentBytes: fc.integer({ min: 0, max: 200 }),
        isPinned: fc.boolean(),
        isBusy: fc.boolean(),
        lastUsedMs: fc.nat(100),
      }),
      { maxLength: 10 },
    );
    const bytes = fc.integer({ min: 1, max: 400 });
    fc.assert(
      fc.property(holders, bytes, fc.nat(200), (some, wanted, reservedBytes) => {
        const all = some.map(({ isBusy, ...one }) => ({ ...one, isEvictable: !isBusy && !one.isPinned }));
        const room = roomFor({ versionId: 'new', bytes: wanted }, all, { capacityBytes: 500, reservedBytes });
        if (room.kind !== 'take') return;
        expect(room.evict.every(({ isEvictable }) => isEvictable)).toBe(true);
        const left = all.filter((one) => !room.evict.includes(one));
        const held = left.reduce((sum, one) => sum + one.residentBytes, 0);
        expect(held + reservedBytes + wanted).toBeLessThanOrEqual(500);
      }),
    );
  });
});
