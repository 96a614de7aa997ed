import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { Outbox } from './outbox.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an outbox', () => {
  it('lets nobody wait behind more than 64, and flushes all in their order, each once, in the turn in which they came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(200), { maxLength: 8 }), async (turns) => {
        const outbox = new Outbox();
        const sent: number[] = [];
        let added = 0;
        for (const count of turns) {
          for (let i = 0; i < count; i += 1) {
            const own = (added += 1);
            outbox.add({ flush: () => sent.push(own) });
            expect(added - sent.length).toBeLessThan(64);
          }
          expect(sent).toHaveLength(added - (count % 64));
          await turn();
          expect(sent).toEqual(Array.from({ length: added }, (_, i) => i + 1));
        }
      }),
    );
  });

  it('takes what a flush adds into the next round', async () => {
    const outbox = new Outbox();
    const sent: string[] = [];
    outbox.add({ flush: () => outbox.add({ flush: () => sent.push('second') }) });
    outbox.add({ flush: () => sent.push('first') });
    await turn();
    await turn();
    expect(sent).toEqual(['first', 'second']);
  });
});
