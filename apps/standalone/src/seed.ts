/**
 * Releases the sample model on the first start and finds it on every later one. It only ever adds what is missing:
 * what a person changed since (traffic, aliases, an archived model) stays as it is.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SluiceClient, SluiceClientError, createClient } from '#client/client';
import { uploadVersion } from '#client/upload';
import type { Endpoint, Traffic } from '#contracts/endpoints';
import type { Version } from '#contracts/models';
import type { Sample, SampleVersion } from './sample.js';
import { StartError } from '#platform/start';

interface RegistryAccess {
  readonly baseUrl: string;
  readonly token: () => string;
}

/** `released`: this start did it. `found`: an earlier one did. `left alone`: the name belongs to something of the user's. */
export type SeedResult = 'released' | 'found' | 'left alone';

const sampleTag = { sample: 'sluice' } as const;
const canaryPercent = 10;
const readyTimeoutMs = 60_000;

async function findOrCreateModel(client: SluiceClient, name: string): Promise<'ours' | 'theirs'> {
  try {
    await client.models.create({
      body: {
        name,
        description: 'Iris flowers by their measures; the sample that ships with Sluice',
        tags: sampleTag,
      },
    });
    return 'ours';
  } catch (error) {
    if (!(error instanceof SluiceClientError) || error.code !== 'ALREADY_EXISTS') throw error;
  }
  const model = await client.models.read({ params: { model: name } });
  return model.tags['sample'] === sampleTag.sample && model.archived_at === null ? 'ours' : 'theirs';
}

function upload(access: RegistryAccess, model: string, sample: SampleVersion): Promise<Version> {
  const path = 'model.onnx';
  const sha256 = createHash('sha256').update(readFileSync(sample.path)).digest('hex');
  const metadata = { description: sample.description, tags: sampleTag, files: { [path]: sha256 } };
  return uploadVersion(access, model, [{ path, source: sample.path }], metadata);
}

async function waitUntilReady(client: SluiceClient, model: string, version: number): Promise<void> {
  const giveUpAtMs = performance.now() + readyTimeoutMs;
  for (;;) {
    const found = await client.versions.read({ params: { model, version: String(version) } });
    if (found.status === 'READY') return;
    if (found.status === 'FAILED') {
      throw new StartError(
        `Version ${version} of the sample model failed: ${found.status_reason ?? 'no reason given'}`,
      );
    }
    if (performance.now() > giveUpAtMs) {
      throw new StartError(
        `Version ${version} of the sample model was not READY within ${readyTimeoutMs / 1_000} s.`,
      );
    }
    await sleep(50);
  }
}

const hasTraffic = (traffic: Traffic): boolean => traffic.split.length > 0 || traffic.rules.length > 0;

async function releaseCanary(client: SluiceClient, endpoint: Endpoint): Promise<void> {
  await client.endpoints.setTraffic({
    params: { endpoint: endpoint.name },
    headers: { 'if-match': `"${endpoint.revision}"` },
    body: {
      split: [
        { version: 1, weight: 100 - canaryPercent },
        { version: 2, weight: canaryPercent },
      ],
    },
  });
}

export async function seed(access: RegistryAccess, sample: Sample): Promise<SeedResult> {
  const client = createClient(access);
  const { model } = sample;
  if ((await findOrCreateModel(client, model)) === 'theirs') return 'left alone';
  const endpoint = await client.endpoints.read({ params: { endpoint: model } });
  if (hasTraffic(endpoint.traffic)) return 'found';
  const { items } = await client.versions.list({ params: { model }, query: { archived: 'any' } });
  if (items.some((version) => version.archived_at !== null)) return 'left alone';
  const present = new Set(items.map((version) => version.version));
  for (const version of sample.versions) {
    if (!present.has(version.version)) await upload(access, model, version);
  }
  await Promise.all(sample.versions.map(({ version }) => waitUntilReady(client, model, version)));
  await releaseCanary(client, endpoint);
  return 'released';
}
