import fc from 'fast-check';
import { expect, it } from 'vitest';
import { liveSecrets, retireSecret } from './old-secrets.js';

const at = (ms: number): string => new Date(ms).toISOString();

it('ends every older secret at once without an overlap', () => {
  const client = { secret_hash: 'now', old_secrets: [{ hash: 'before', expires_at: at(9_000) }] };
  expect(retireSecret(client, 0, 1_000)).toEqual([]);
});

it('keeps the current secret for the overlap, and forgets what has ended', () => {
  const old_secrets = [
    { hash: 'alive', expires_at: at(5_000) },
    { hash: 'ended', expires_at: at(1_000) },
  ];
  expect(retireSecret({ secret_hash: 'now', old_secrets }, 60, 1_000)).toEqual([
    { hash: 'now', expires_at: at(61_000) },
    { hash: 'alive', expires_at: at(5_000) },
  ]);
});

it('never keeps more than four, none beyond the overlap nor longer than it was promised', () => {
  const seconds = fc.integer({ min: 0, max: 100_000 });
  fc.assert(
    fc.property(fc.array(seconds, { maxLength: 8 }), seconds, seconds, (ends, overlapS, nowS) => {
      const old_secrets = ends.map((s, i) => ({ hash: `${i}`, expires_at: at(s * 1_000) }));
      const kept = retireSecret({ secret_hash: 'now', old_secrets }, overlapS, nowS * 1_000);
      expect(kept.length).toBeLessThanOrEqual(4);
      expect(liveSecrets(kept, (nowS + overlapS) * 1_000)).toEqual([]);
      for (const { hash, expires_at } of kept.slice(1))
        expect(Date.parse(expires_at)).toBeLessThanOrEqual((ends[Number(hash)] ?? 0) * 1_000);
    }),
  );
});
