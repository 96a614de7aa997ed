/** The end of versions: archive, restore, delete, retention rules, and the collector that takes what nothing refers to. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactStore } from '#artifacts/artifact-store';
import { SluiceClientError } from '#client/client';
import { uploadVersion } from '#client/upload';
import type { RetentionRule } from '#contracts/retention';
import { Transactions } from '#database/transactions';
import { ARTIFACT_STORE } from '../../apps/registry/src/artifacts/artifact-store.token.js';
import { GarbageCollector } from '../../apps/registry/src/artifacts/garbage-collector.js';
import { RetentionService } from '../../apps/registry/src/retention/retention.service.js';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { auditedActions, newModel, newReadyVersion, newVersion } from '../support/versions.js';

let registry: TestRegistry;
let store: ArtifactStore;
let collector: GarbageCollector;
let model: string;
beforeAll(async () => {
  registry = await startRegistry();
  store = registry.app.get<ArtifactStore>(ARTIFACT_STORE, { strict: false });
  collector = new GarbageCollector(new Transactions(registry.dataSource), store, registry.config);
});
afterAll(() => registry.close());
beforeEach(async () => {
  model = await newModel(registry);
});

const address = (version: number) => ({ model, version: String(version) });
const archive = (version: number) => registry.admin.versions.archive({ params: address(version) });
const remove = (version: number, confirm?: string) =>
  registry.admin.versions.remove({ params: address(version), query: { confirm } });
const setAlias = (version: number) =>
  registry.admin.aliases.set({ params: { model, alias: 'champion' }, body: { version } });
const numbers = async (archived: 'true' | 'false' | 'any' = 'any'): Promise<number[]> =>
  (await registry.admin.versions.list({ params: { model }, query: { archived } })).items.map(
    (version) => version.version,
  );
const release = (version: number) =>
  registry.dataSource.query(
    `INSERT INTO traffic_targets (endpoint_id, position, model_id, version_number)
     SELECT e.id, 0, e.model_id, $2 FROM endpoints e WHERE e.name = $1`,
    [model, version],
  );

describe('a version', () => {
  it('is restored from the archive as it was', async () => {
    await newReadyVersion(registry, model);
    const before = await registry.admin.versions.read({ params: address(1) });
    await archive(1);
    expect(await registry.admin.versions.restore({ params: address(1) })).toEqual(before);
    expect(await registry.admin.versions.restore({ params: address(1) })).toEqual(before);
    expect(await auditedActions(registry, `models/${model}/versions/1`)).toEqual([
      'version.create',
      'version.archive',
      'version.restore',
    ]);
  });

  it('is deleted for good once it is archived and its name was typed; its number is never given again', async () => {
    await newVersion(registry, model);
    await newVersion(registry, model);
    await expect(remove(2, `${model}/2`)).rejects.toMatchObject({ code: 'NOT_ARCHIVED' });
    await archive(2);
    for (const confirm of [undefined, '', model, `${model}/1`])
      await expect(remove(2, confirm)).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
    await remove(2, `${model}/2`);
    expect(await numbers()).toEqual([1]);
    await expect(remove(2, `${model}/2`)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect(await registry.admin.models.read({ params: { model } })).toMatchObject({ latest_version: 1 });
    expect(await newVersion(registry, model)).toMatchObject({ version: 3 });
    expect(await auditedActions(registry, `models/${model}/versions/2`)).toContain('version.delete');
  });

  it('is deleted by an admin only, and never while it is used', async () => {
    await newReadyVersion(registry, model);
    await archive(1);
    const writer = await registry.caller('models:write');
    await expect(
      writer.client.versions.remove({ params: address(1), query: { confirm: `${model}/1` } }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await release(1);
    await expect(remove(1, `${model}/1`)).rejects.toMatchObject({ code: 'VERSION_IN_USE' });
  });
});

describe('a model', () => {
  it('is deleted with its versions, aliases and endpoints', async () => {
    await newVersion(registry, model);
    await setAlias(1);
    const drop = (confirm?: string) =>
      registry.admin.models.remove({ params: { model }, query: { confirm } });
    await expect(drop(model)).rejects.toMatchObject({ code: 'NOT_ARCHIVED' });
    await registry.admin.models.archive({ params: { model } });
    await expect(drop('another')).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
    await drop(model);
    await expect(registry.admin.models.read({ params: { model } })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    await expect(registry.admin.endpoints.read({ params: { endpoint: model } })).rejects.toMatchObject({
      code: 'ENDPOINT_NOT_FOUND',
    });
    expect(await auditedActions(registry, `models/${model}`)).toContain('model.delete');
    await registry.admin.models.create({ body: { name: model } });
    expect(await newVersion(registry, model)).toMatchObject({ version: 1 });
  });

  it('stays while quotas are set for its endpoint', async () => {
    await registry.admin.quotas.create({
      body: { name: 'per-minute', endpoint: model, window: 'minute', limit: 5 },
    });
    await registry.admin.models.archive({ params: { model } });
    await expect(
      registry.admin.models.remove({ params: { model }, query: { confirm: model } }),
    ).rejects.toMatchObject({ code: 'VERSION_IN_USE' });
    expect(await registry.admin.endpoints.read({ params: { endpoint: model } })).toMatchObject({
      name: model,
    });
  });
});

describe('a retention rule', () => {
  const rule: RetentionRule = { keep_last: 2, older_than_days: 0, action: 'delete' };
  const follow = () => registry.app.get(RetentionService, { strict: false }).run();

  it('is shown before, followed later, and touches nothing that is used', async () => {
    for (let version = 1; version <= 6; version += 1) await newReadyVersion(registry, model);
    await setAlias(1);
    await release(2);
    const preview = await registry.admin.models.previewRetention({ params: { model }, body: rule });
    expect(preview).toMatchObject({ archive: [4, 3], delete: [] });
    await follow();
    expect(await numbers('true')).toEqual([]);

    expect(await registry.admin.models.setRetention({ params: { model }, body: rule })).toMatchObject({
      retention: rule,
    });
    await follow();
    expect(await numbers('true')).toEqual([4, 3]);
    await follow();
    await follow();
    expect(await numbers()).toEqual([6, 5, 2, 1]);
    const { items } = await registry.admin.audit.list({
      query: { subject_prefix: `models/${model}/versions/3` },
    });
    expect(items.slice(0, 2)).toMatchObject([
      { action: 'version.delete', actor: 'system' },
      { action: 'version.archive', actor: 'system' },
    ]);
    expect(await registry.admin.models.clearRetention({ params: { model } })).toMatchObject({
      retention: null,
    });
  });

  it('is refused when it makes no sense', async () => {
    for (const body of [
      { ...rule, keep_last: 0 },
      { ...rule, older_than_days: -1 },
      { ...rule, action: 'burn' },
    ])
      await expect(
        registry.admin.models.setRetention({ params: { model }, body: body as RetentionRule }),
      ).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function stored(): Promise<string[]> {
  const root = join(registry.config.SLUICE_ARTIFACTS_DIR, 'sha256');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .toSorted();
}

/** Digests that something refers to, by the tables that this test writes. */
async function referenced(): Promise<string[]> {
  const rows = await registry.dataSource.query<{ sha256: string }[]>(
    `SELECT sha256 FROM version_files UNION SELECT sha256 FROM mlflow_files
     UNION SELECT artifact_sha256 FROM uploads WHERE artifact_sha256 IS NOT NULL`,
  );
  return rows.map((row) => row.sha256).toSorted();
}

describe('the collector', () => {
  it('leaves alone what was stored a moment ago, whoever will refer to it', async () => {
    const bytes = randomBytes(100);
    await store.write(Readable.from([bytes]), { maxBytes: 100 });
    await collector.run();
    expect(await store.has(sha256Of(bytes))).toBe(true);
    expect((await collector.run(0)).count).toBeGreaterThan(0);
    expect(await store.has(sha256Of(bytes))).toBe(false);
  });

  // Few contents, so that the same bytes are stored, referred to, let go and collected all the time.
  const contents = Array.from({ length: 5 }, (_, index) => Buffer.from(`content ${index}`));
  const place = fc.nat(3);
  const content = fc.nat(contents.length - 1);
  const step = fc.oneof(
    fc.record({
      do: fc.constant('upload' as const),
      contents: fc.array(content, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ do: fc.constant('resumable' as const), content }),
    fc.record({ do: fc.constant('log' as const), place, content }),
    fc.record({ do: fc.constant('unlog' as const), place }),
    fc.record({ do: fc.constant('delete' as const), version: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ do: fc.constant('collect' as const) }),
  );
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  async function perform(one: Step, run: string): Promise<void> {
    const authorization = `Bearer ${registry.adminToken}`;
    const raw = async (
      method: 'POST' | 'PUT' | 'DELETE',
      path: string,
      init: { body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string> } = {},
    ) => {
      const response = await registry.send(method, path, {
        ...init,
        headers: { authorization, ...init.headers },
      });
      const text = await response.text();
      if (!response.ok) throw new SluiceClientError(response.status, undefined, text, undefined);
      return response;
    };
    const logged = (at: number): string => `/api/2.0/mlflow-artifacts/artifacts/0/${run}/artifacts/${at}`;
    switch (one.do) {
      case 'upload':
        await uploadVersion(
          { baseUrl: registry.url, token: () => registry.adminToken },
          model,
          one.contents.map((index, at) => ({
            path: at === 0 ? 'model.onnx' : `${at}.bin`,
            source: contents[index] ?? randomBytes(1),
          })),
        );
        return;
      case 'resumable': {
        const body = contents[one.content] ?? randomBytes(1);
        const { headers } = await raw('POST', '/api/v1/uploads', {
          headers: {
            'tus-resumable': '1.0.0',
            'upload-length': String(body.length),
            'content-type': 'application/offset+octet-stream',
          },
          body: new Uint8Array(body),
        });
        const id = (headers.get('location') ?? '').split('/').at(-1) ?? '';
        const uploads = [{ path: 'model.onnx', upload_id: id }];
        await registry.admin.uploads.commit({ params: { model }, body: { uploads } });
        return;
      }
      case 'log':
        await raw('PUT', logged(one.place), {
          body: new Uint8Array(contents[one.content] ?? randomBytes(1)),
        });
        return;
      case 'unlog':
        await raw('DELETE', logged(one.place));
        return;
      case 'delete':
        await archive(one.version);
        await remove(one.version, `${model}/${one.version}`);
        return;
      case 'collect':
        await collector.run(0);
    }
  }

  const matches = (error: unknown, code: RegExp): boolean =>
    error instanceof SluiceClientError && code.test(`${error.code} ${error.message}`);
  /** Without any grace, a sender that is overtaken by the collector is told to send again: that, and nothing worse. */
  const isRefusedAsOvertaken = (error: unknown): boolean => matches(error, /UPLOAD_EXPIRED|kept no more/);

  it('never takes what something refers to, and at last all that nothing does, whatever runs at once', async () => {
    const experiment = await registry.admin.experiments.create({ body: { name: 'garbage' } });
    const run = await registry.admin.runs.create({ body: { experiment: experiment.name } });
    const runHex = run.id.replaceAll('-', '');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 4 }),
        async (callers) => {
          model = await newModel(registry);
          let done = false;
          let isOvertaken = false;
          const collecting = (async () => {
            while (!done) await collector.run(0);
          })();
          try {
            await Promise.all(
              callers.map(async (steps) => {
                for (const one of steps)
                  await perform(one, runHex).catch((error: unknown) => {
                    if (isRefusedAsOvertaken(error)) isOvertaken = true;
                    else if (!matches(error, /VERSION_NOT_FOUND/)) throw error;
                  });
              }),
            );
          } finally {
            done = true;
            await collecting;
          }
          for (const sha256 of await referenced()) expect(await store.verify(sha256)).toBe(true);
          await collector.run(0);
          const rows = await registry.dataSource.query<{ sha256: string }[]>('SELECT sha256 FROM artifacts');
          expect(rows.map((row) => row.sha256).toSorted()).toEqual(await referenced());
          if (!isOvertaken) expect(await stored()).toEqual(await referenced());
          // Without any grace the row can go between claim and bytes, whose sender is refused: storing them again mends that.
          const kept = new Set(await referenced());
          for (const bytes of contents.filter((one) => !kept.has(sha256Of(one))))
            await store.write(Readable.from([bytes]), { maxBytes: 100 });
          await collector.run(0);
          expect(await stored()).toEqual(await referenced());
        },
      ),
      { numRuns: Number(process.env['GARBAGE_RUNS'] ?? 12) },
    );
  });
});
