/** Signatures of deliveries, as the Standard Webhooks specification (1.0) defines them: receivers have libraries that check them. */
import { createHmac, randomBytes } from 'node:crypto';

const prefix = 'whsec_';
const secretBytes = 32;

/** `whsec_` and 32 random bytes in base64. */
export const makeSecret = (): string => prefix + randomBytes(secretBytes).toString('base64');

/** The headers of an attempt. @param atS seconds since the epoch */
export function signedHeaders(id: string, atS: number, body: string, secret: string): Record<string, string> {
  const key = Buffer.from(secret.slice(prefix.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${atS}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': String(atS), 'webhook-signature': `v1,${signature}` };
}
