/** Who vouches for a version: public keys that the registry keeps, signatures by them, and the policy that asks for one. */
import { z } from 'zod';
import { Name, Sha256, Timestamp } from './common.js';
import { Attest } from './models.js';

export const TrustedKey = z
  .object({
    name: Name,
    public_key: z.string().describe('ed25519, SPKI PEM'),
    fingerprint: Sha256.describe('Of the key in DER'),
    revoked_at: Timestamp.nullable(),
    created_at: Timestamp,
    created_by: z.string(),
  })
  .meta({ id: 'TrustedKey' });
export type TrustedKey = z.infer<typeof TrustedKey>;
export const TrustedKeyList = z.object({ items: z.array(TrustedKey) });
export const TrustedKeyParams = z.object({ key: Name });
export const CreateTrustedKey = z.strictObject({
  name: Name,
  public_key: z.string().min(1).max(2_000).describe('PEM, as `openssl pkey -pubout` writes it'),
});

/** A version's manifest and who has signed it. */
export const Integrity = z
  .object({
    manifest: z.string().describe('The text that is signed'),
    manifest_sha256: Sha256,
    attestations: z.array(
      z.object({
        key: Name,
        signature: Attest.shape.signature,
        counts: z.boolean().describe('It is good and its key is not revoked'),
        created_at: Timestamp,
        created_by: z.string(),
      }),
    ),
    signed: z.boolean().describe('At least one attestation counts'),
    signed_only: z.boolean().describe('Only a signed version of the model may be released'),
    corrupt_files: z
      .array(z.string())
      .describe('Paths whose stored bytes were found to have another digest; they cannot be released'),
  })
  .meta({ id: 'Integrity' });
export type Integrity = z.infer<typeof Integrity>;

export const ReleasePolicy = z
  .strictObject({ signed_only: z.boolean().describe('Only signed versions may be released') })
  .meta({ id: 'ReleasePolicy' });
export type ReleasePolicy = z.infer<typeof ReleasePolicy>;

/** Versions that get traffic although a policy, made later, asks for a signature that they do not have. */
export const PolicyReport = z
  .object({
    signed_only: z.boolean(),
    unsigned: z.array(z.object({ model: z.string(), version: z.int(), endpoint: z.string() })),
  })
  .meta({ id: 'PolicyReport' });
export type PolicyReport = z.infer<typeof PolicyReport>;
