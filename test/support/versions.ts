/** Models and versions for the registry's own tests, in which no node runs. */
import { randomBytes } from 'node:crypto';
import { uploadVersion } from '#client/upload';
import type { Version } from '#contracts/models';
import type { TestRegistry } from './registry.js';

let counter = 0;

/** Creates a model with a name of its own. */
export async function newModel(registry: TestRegistry): Promise<string> {
  counter += 1;
  const { name } = await registry.admin.models.create({ body: { name: `model-${counter}` } });
  return name;
}

/** Uploads a version of random bytes, as multipart. */
export const newVersion = (registry: TestRegistry, model: string): Promise<Version> =>
  uploadVersion({ baseUrl: registry.url, token: () => registry.adminToken }, model, [
    { path: 'model.onnx', source: randomBytes(64) },
  ]);

/** Uploads a version and gives it the status that a node's report would. */
export async function newReadyVersion(registry: TestRegistry, model: string): Promise<Version> {
  const version = await newVersion(registry, model);
  await registry.dataSource.query(`UPDATE versions SET status = 'READY' WHERE id = $1`, [version.id]);
  return { ...version, status: 'READY' };
}

export async function routingRevision(registry: TestRegistry): Promise<number> {
  const rows = await registry.dataSource.query<{ revision: string }[]>('SELECT revision FROM snapshot_state');
  return Number(rows[0]?.revision ?? 0);
}

/** Actions in the audit log under a subject, oldest first. */
export async function auditedActions(registry: TestRegistry, subjectPrefix: string): Promise<string[]> {
  const { items } = await registry.admin.audit.list({ query: { subject_prefix: subjectPrefix } });
  return items.map((entry) => entry.action).toReversed();
}
