import { VersionEntity } from '#database/entities/version.entity';
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uploadVersion } from '#client/upload';
import { nodeJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import {
  auditedActions,
  newModel,
  newReadyVersion,
  newVersion,
  routingRevision,
} from '../support/versions.js';

let registry: TestRegistry;
let model: string;
beforeAll(async () => {
  registry = await startRegistry();
  model = await newModel(registry);
});
afterAll(() => registry.close());

const address = (version: number) => ({ model, version: String(version) });

describe('versions', () => {
  it('are listed newest first, by status and in pages', async () => {
    const own = await newModel(registry);
    for (let count = 0; count < 3; count += 1) await newVersion(registry, own);
    await newReadyVersion(registry, own);
    const params = { model: own };
    const numbers = async (query: NonNullable<Parameters<typeof registry.admin.versions.list>[0]['query']>) =>
      (await registry.admin.versions.list({ params, query })).items.map((version) => version.version);
    expect(await numbers({})).toEqual([4, 3, 2, 1]);
    expect(await numbers({ status: 'READY' })).toEqual([4]);
    const { next_page_token: token } = await registry.admin.versions.list({
      params,
      query: { page_size: 3 },
    });
    expect(await numbers({ page_size: 3, page_token: token })).toEqual([1]);
    await registry.admin.versions.archive({ params: { model: own, version: '2' } });
    expect(await numbers({})).toEqual([4, 3, 1]);
    expect(await numbers({ archived: 'true' })).toEqual([2]);
    expect(await numbers({ archived: 'any' })).toEqual([4, 3, 2, 1]);
  });

  it('are archived only when no traffic and no alias holds them', async () => {
    const { version } = await newReadyVersion(registry, model);
    const params = address(version);
    await registry.admin.aliases.set({ params: { model, alias: 'kept' }, body: { version } });
    await expect(registry.admin.versions.archive({ params })).rejects.toMatchObject({
      status: 409,
      code: 'VERSION_IN_USE',
    });
    await registry.admin.aliases.remove({ params: { model, alias: 'kept' } });
    const endpoint = { endpoint: model };
    const split = [{ version, weight: 1 }];
    await registry.admin.endpoints.setTraffic({
      params: endpoint,
      body: { split },
      headers: { 'if-match': '"1"' },
    });
    await expect(registry.admin.versions.archive({ params })).rejects.toMatchObject({
      code: 'VERSION_IN_USE',
    });
    await registry.admin.endpoints.setTraffic({
      params: endpoint,
      body: { split: [] },
      headers: { 'if-match': '"2"' },
    });
    const before = await routingRevision(registry);
    const archived = await registry.admin.versions.archive({ params });
    expect(archived.archived_at).not.toBeNull();
    expect(await registry.admin.versions.archive({ params })).toEqual(archived);
    expect(await routingRevision(registry)).toBe(before + 1);
    const actions = await auditedActions(registry, `models/${model}/versions/${version}`);
    expect(actions).toEqual(['version.create', 'version.archive']);
  });

  it('leave their nodes when nothing refers to them and they are unloaded', async () => {
    const { version } = await newVersion(registry, model);
    const params = address(version);
    const { versions, aliases } = registry.admin;
    await expect(versions.unload({ params })).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
    await registry.dataSource.manager.update(
      VersionEntity,
      { id: (await versions.read({ params })).id },
      { status: 'READY' },
    );
    await aliases.set({ params: { model, alias: 'busy' }, body: { version } });
    await expect(versions.unload({ params })).rejects.toMatchObject({ status: 409, code: 'VERSION_IN_USE' });
    await aliases.remove({ params: { model, alias: 'busy' } });
    expect((await versions.unload({ params })).held).toBe(false);
    expect((await versions.unload({ params })).held).toBe(false);
    expect((await versions.load({ params })).held).toBe(true);
    const writer = await registry.caller('models:write');
    await expect(writer.client.versions.load({ params })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const actions = await auditedActions(registry, `models/${model}/versions/${version}`);
    expect(actions).toEqual(['version.create', 'version.unload', 'version.load']);
  });

  it('say what is missing', async () => {
    const { versions } = registry.admin;
    const noVersion = versions.read({ params: address(999) });
    await expect(noVersion).rejects.toMatchObject({ status: 404, code: 'VERSION_NOT_FOUND' });
    const noModel = versions.read({ params: { model: 'nothing', version: '1' } });
    await expect(noModel).rejects.toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
    const noNumber = versions.read({ params: { model, version: '0' } });
    await expect(noNumber).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('a config', () => {
  it('gets a revision for each change, and none for the same again', async () => {
    const { version } = await newVersion(registry, model);
    const params = address(version);
    const first = await registry.admin.versions.readConfig({ params });
    expect(first).toMatchObject({ revision: 1, config: { instances: null, default_timeout_ms: 30_000 } });
    const before = await routingRevision(registry);
    const body = { instances: 2, default_timeout_ms: 500 };
    const second = await registry.admin.versions.putConfig({ params, body });
    expect(second).toMatchObject({
      revision: 2,
      config: { ...body, replicas: 2 },
      created_by: 'client:admin',
    });
    expect(await registry.admin.versions.putConfig({ params, body })).toEqual(second);
    expect(await routingRevision(registry)).toBe(before + 1);
    expect((await registry.admin.versions.read({ params })).config).toEqual(second);
    const { items } = await registry.admin.versions.listConfigs({ params });
    expect(items).toEqual([second, first]);
    const page = await registry.admin.versions.listConfigs({ params, query: { page_size: 1 } });
    const query = { page_token: page.next_page_token };
    expect((await registry.admin.versions.listConfigs({ params, query })).items).toEqual([first]);
    const wrong = registry.admin.versions.putConfig({ params, body: { instances: 0 } });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('changed by many at once keeps every change', async () => {
    const { version } = await newVersion(registry, model);
    const params = address(version);
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        registry.admin.versions.putConfig({ params, body: { default_timeout_ms: index + 1 } }),
      ),
    );
    const { items } = await registry.admin.versions.listConfigs({ params });
    expect(items.map((row) => row.revision)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect((await registry.admin.versions.readConfig({ params })).revision).toBe(11);
  });
});

describe('a download', () => {
  const bytes = randomBytes(200_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  let path: string;
  beforeAll(async () => {
    const options = { baseUrl: registry.url, token: () => registry.adminToken };
    const { version } = await uploadVersion(
      options,
      model,
      [
        { path: 'model.onnx', source: bytes },
        { path: 'labels/größe.txt', source: Buffer.from('setosa') },
      ],
      { tags: { a: 'b' } },
    );
    path = `/api/v1/models/${model}/versions/${version}/download`;
  });
  const get = (headers: Record<string, string> = {}, url = path, method: 'GET' | 'HEAD' = 'GET') =>
    fetch(new URL(url, registry.url), {
      method,
      headers: { authorization: `Bearer ${registry.adminToken}`, ...headers },
    });
  const bodyOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

  it('is the entry file unless another is named, and safe in a browser', async () => {
    const whole = await get();
    expect(whole.status).toBe(200);
    expect((await bodyOf(whole)).equals(bytes)).toBe(true);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      etag: `"${sha256}"`,
      'content-length': '200000',
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': `attachment; filename="model.onnx"; filename*=UTF-8''model.onnx`,
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    });
    const labels = await get({}, `${path}?path=${encodeURIComponent('labels/größe.txt')}`);
    expect((await bodyOf(labels)).toString()).toBe('setosa');
    expect(labels.headers.get('content-disposition')).toContain(`filename*=UTF-8''gr%C3%B6%C3%9Fe.txt`);
  });

  it('honours ranges', async () => {
    const part = await get({ range: 'bytes=1000-1999' });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-1999/200000']);
    expect((await bodyOf(part)).equals(bytes.subarray(1_000, 2_000))).toBe(true);
    const tail = await get({ range: 'bytes=-5', 'if-range': `"${sha256}"` });
    expect([tail.status, (await bodyOf(tail)).equals(bytes.subarray(-5))]).toEqual([206, true]);
    const changed = await get({ range: 'bytes=-5', 'if-range': '"another"' });
    expect([changed.status, (await bodyOf(changed)).length]).toEqual([200, 200_000]);
    const outside = await get({ range: 'bytes=200000-' });
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, 'bytes */200000']);
    expect(await outside.json()).toMatchObject({ code: 'RANGE_NOT_SATISFIABLE' });
  });

  it('answers 304 to who has it, and only headers to HEAD', async () => {
    const known = await get({ 'if-none-match': `"x", W/"${sha256}"` });
    expect([known.status, (await bodyOf(known)).length]).toEqual([304, 0]);
    const head = await get({ range: 'bytes=0-1' }, path, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '200000']);
  });

  it('says which file is missing', async () => {
    const missing = await get({}, `${path}?path=other.bin`);
    expect([missing.status, await missing.json()]).toMatchObject([404, { code: 'ARTIFACT_NOT_FOUND' }]);
    const escape = await get({}, `${path}?path=../../etc/passwd`);
    expect([escape.status, await escape.json()]).toMatchObject([400, { code: 'INVALID_REQUEST' }]);
  });

  it('of an artifact by its digest is for nodes, with ranges', async () => {
    const lease = await registry.clientWith(nodeJoinToken).nodes.register({
      body: {
        name: 'node-of-the-test',
        address: 'http://127.0.0.1:9999',
        capacity: { cores: 1, memory_bytes: 1 },
        program_version: '0',
      },
    });
    const authorization = `Bearer ${lease.credential}`;
    const url = `/api/v1/artifacts/${sha256}`;
    const part = await get({ authorization, range: 'bytes=199990-' }, url);
    expect([part.status, (await bodyOf(part)).equals(bytes.subarray(-10))]).toEqual([206, true]);
    const missing = await get({ authorization }, `/api/v1/artifacts/${'0'.repeat(64)}`);
    expect([missing.status, await missing.json()]).toMatchObject([404, { code: 'ARTIFACT_NOT_FOUND' }]);
    expect((await get({ authorization }, '/api/v1/artifacts/..%2f..%2fetc%2fpasswd')).status).toBe(400);
    expect((await get({}, url)).status).toBe(403);
  });
});
