/** Which of the keys that an outside issuer publishes can be used here. Pure. */
import { OutsideJwk } from '#contracts/issuers';
import type { OutsideJwks } from '#contracts/issuers';
import { createPublicKey } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import { z } from 'zod';

/** RFC 7517 §5: keys of unknown kinds are ignored, so they may have any form. */
const Published = z.object({ keys: z.array(z.unknown()).max(200) });
const minRsaBits = 2_048;

/**
 * Public signing keys of the kinds that we know; secrets, private parts and keys for encryption are left behind.
 * @throws ZodError when it is no key set at all
 */
export function usableKeys(published: unknown): OutsideJwks {
  const keys = Published.parse(published).keys.flatMap((key) => {
    const { data } = OutsideJwk.safeParse(key);
    return data && isUsable(data) ? [data] : [];
  });
  return { keys };
}

const curves: Readonly<Record<string, string>> = { EC: 'P-256', OKP: 'Ed25519' };

const isUsable = (key: OutsideJwk): boolean => key.crv === curves[key.kty] && isStrong(key);

/** Also whether it is a key at all: a point off its curve, a modulus that is no number. */
function isStrong(key: OutsideJwk): boolean {
  try {
    const { asymmetricKeyDetails: details } = createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    return details?.modulusLength === undefined || details.modulusLength >= minRsaBits;
  } catch {
    return false;
  }
}
