/** What external nodes want to see is a secret, and encrypted at rest like the signing keys are. */
import { isSealed, open, seal } from '../auth/key-seal.js';

const nameOf = (nodeId: string): string => `external-nodes/${nodeId}`;

export const sealAuthorization = (text: string, nodeId: string, masterKey: string | undefined): string =>
  masterKey === undefined ? text : seal(text, nameOf(nodeId), masterKey);

/** @throws Error when it was sealed and the master key is not the one that sealed it */
export function openAuthorization(text: string, nodeId: string, masterKey: string | undefined): string {
  if (!isSealed(text)) return text;
  if (masterKey === undefined)
    throw new Error(`What ${nameOf(nodeId)} wants to see is encrypted. Set SLUICE_MASTER_KEY.`);
  return open(text, nameOf(nodeId), masterKey);
}
