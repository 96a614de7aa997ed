import fc from 'fast-check';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SharedReads } from './shared-reads.js';

it('answers everyone what was there when he asked or later, also by failures, in any order of events', async () => {
  const step = fc.oneof(fc.constantFrom('ask', 'change'), fc.nat(5));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      let value = 0;
      let reads = 0;
      const open: (() => void)[] = [];
      const shared = new SharedReads(async () => {
        reads += 1;
        const seen = value;
        await new Promise<void>((resolve) => open.push(resolve));
        if (seen % 3 === 2) throw new Error(String(seen));
        return seen;
      });
      const asked: Promise<void>[] = [];
      const ask = (): void => {
        const before = value;
        const check = (seen: number): void => expect(seen).toBeGreaterThanOrEqual(before);
        asked.push(shared.get('a').then(check, (error: Error) => check(Number(error.message))));
      };
      for (const one of steps) {
        if (one === 'ask') ask();
        else if (one === 'change') value += 1;
        else {
          open.splice(one, 1)[0]?.();
          await setImmediate();
        }
      }
      for (; open.length > 0; await setImmediate()) open.pop()?.();
      await Promise.all(asked);
      expect(reads).toBeLessThanOrEqual(asked.length);
    }),
  );
});

it('reads twice for any number that ask at once, key by key, and again for who asks later', async () => {
  const reads: string[] = [];
  const shared = new SharedReads(async (key) => {
    reads.push(key);
    return key;
  });
  const keys = ['a', 'b', 'a', 'a', 'a', 'b', 'b'];
  expect(await Promise.all(keys.map((key) => shared.get(key)))).toEqual(keys);
  expect(reads.toSorted()).toEqual(['a', 'a', 'b', 'b']);
  await shared.get('a');
  expect(reads).toHaveLength(5);
});
