/** Who vouches for a version, what that is worth, and bytes that rot on the way to a node. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { uploadVersion } from '#client/upload';
import { manifestOf } from '#contracts/manifest';
import type { Version } from '#contracts/models';
import { packageRoot } from '#platform/program';
import { ArtifactCache } from '../../apps/node/src/agent/artifact-cache.js';
import { artifactSource } from '../../apps/node/src/agent/artifact-source.js';
import { fetchPatiently } from '../../apps/node/src/agent/patient-fetch.js';
import { followEvents } from '../support/events.js';
import { nodeJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { auditedActions, newModel, newReadyVersion } from '../support/versions.js';

let registry: TestRegistry;
let model: string;
let keys = 0;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  model = await newModel(registry);
  await registry.admin.integrity.setPolicy({ body: { signed_only: false } });
});

const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string;
async function newKey(): Promise<{ name: string; signed: (text: string) => string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  keys += 1;
  const name = `key ${keys}`;
  await registry.admin.integrity.addKey({ body: { name, public_key: pem(publicKey) } });
  return { name, signed: (text) => sign(null, Buffer.from(text), privateKey).toString('base64') };
}
const address = (version: number) => ({ model, version: String(version) });
const read = (version = 1) => registry.admin.integrity.read({ params: address(version) });
const attest = (key: string, signature: string, version = 1) =>
  registry.admin.integrity.attest({ params: address(version), body: { key, signature } });
const setAlias = (version: number) =>
  registry.admin.aliases.set({ params: { model, alias: 'champion' }, body: { version } });
async function release(target: number | 'champion', shadow?: number): Promise<void> {
  const { revision } = await registry.admin.endpoints.read({ params: { endpoint: model } });
  await registry.admin.endpoints.setTraffic({
    params: { endpoint: model },
    body: {
      split: [{ version: target, weight: 1 }],
      ...(shadow ? { shadow: { version: shadow, share: 1 } } : {}),
    },
    headers: { 'if-match': `"${revision}"` },
  });
}
const manifestFor = (version: Version): string => manifestOf(model, version.entry_file, version.files);

describe('a trusted key', () => {
  it('is an ed25519 public key and nothing else, added and revoked by an admin', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const secret = generateKeyPairSync('ed25519').privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    }) as string;
    for (const public_key of ['no key', pem(rsa.publicKey), secret])
      await expect(
        registry.admin.integrity.addKey({ body: { name: 'x', public_key } }),
      ).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
      });
    const { name } = await newKey();
    const listed = (await registry.admin.integrity.listKeys()).items.find((key) => key.name === name);
    await expect(
      registry.admin.integrity.addKey({ body: { name: 'other', public_key: listed?.public_key ?? '' } }),
    ).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const writer = await registry.caller('models:write');
    await expect(writer.client.integrity.revokeKey({ params: { key: name } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await registry.admin.integrity.revokeKey({ params: { key: name } });
    await registry.admin.integrity.revokeKey({ params: { key: name } });
    expect(await auditedActions(registry, `trusted-keys/${name}`)).toEqual([
      'trusted_key.add',
      'trusted_key.revoke',
    ]);
  });
});

describe('an attestation', () => {
  it('is a signature over the manifest, added later or with the upload, and refused when it is over anything else', async () => {
    const version = await newReadyVersion(registry, model);
    const key = await newKey();
    const before = await read();
    expect(before).toMatchObject({ manifest: manifestFor(version), attestations: [], signed: false });
    const other = manifestOf('another', version.entry_file, version.files);
    for (const text of [other, before.manifest.trim(), before.manifest_sha256])
      await expect(attest(key.name, key.signed(text))).rejects.toMatchObject({ code: 'ATTESTATION_INVALID' });
    await expect(attest('nobody', key.signed(before.manifest))).rejects.toMatchObject({
      code: 'KEY_NOT_FOUND',
    });
    await expect(attest(key.name, 'AAAA')).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await attest(key.name, key.signed(before.manifest));
    expect(await attest(key.name, key.signed(before.manifest))).toMatchObject({
      signed: true,
      attestations: [{ key: key.name, counts: true, created_by: 'client:admin' }],
    });
    expect(await auditedActions(registry, `models/${model}/versions/1`)).toEqual([
      'version.create',
      'version.attest',
    ]);

    const source = Buffer.from('the same bytes again');
    const options = { baseUrl: registry.url, token: () => registry.adminToken };
    const files = [{ path: 'model.onnx', source }];
    const { files: known } = await uploadVersion(options, model, files);
    const signature = key.signed(manifestOf(model, 'model.onnx', known));
    await uploadVersion(options, model, files, { attestation: { key: key.name, signature } });
    expect(await read(3)).toMatchObject({ signed: true });
    const wrong = { attestation: { key: key.name, signature: key.signed('x') } };
    await expect(uploadVersion(options, model, files, wrong)).rejects.toMatchObject({
      code: 'ATTESTATION_INVALID',
    });
    expect((await registry.admin.models.read({ params: { model } })).latest_version).toBe(3);
    await registry.admin.versions.archive({ params: address(3) });
    await registry.admin.versions.remove({ params: address(3), query: { confirm: `${model}/3` } });
    await registry.admin.models.archive({ params: { model } });
    await registry.admin.models.remove({ params: { model }, query: { confirm: model } });
  });

  it('is made with openssl by the recipe of the docs, word for word', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-sign-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const docs = await readFile(join(packageRoot, 'docs/signatures.md'), 'utf8');
    const recipe = [...docs.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands).join('');
    await registry.admin.models.create({ body: { name: 'flowers' } });
    const source = randomBytes(64);
    await writeFile(join(folder, 'model.onnx'), source);
    const files = [{ path: 'model.onnx', source }];
    await uploadVersion({ baseUrl: registry.url, token: () => registry.adminToken }, 'flowers', files);
    const { stdout } = await promisify(execFile)('sh', ['-euc', recipe], {
      cwd: folder,
      env: {
        ...process.env,
        G: registry.url,
        A: `authorization: Bearer ${registry.adminToken}`,
        J: 'content-type: application/json',
      },
    });
    expect(stdout).toContain('Signature Verified Successfully');
    expect(await registry.admin.integrity.read({ params: { model: 'flowers', version: '1' } })).toMatchObject(
      {
        manifest: await readFile(join(folder, 'manifest'), 'utf8'),
        signed: true,
        signed_only: true,
        attestations: [{ key: 'release' }],
      },
    );
  });
});

describe('the policy that only signed versions may be released', () => {
  it.each(['platform', 'model'] as const)(
    'of the %s holds for traffic, shadows and aliases, also on the way back',
    async (scope) => {
      const key = await newKey();
      await newReadyVersion(registry, model);
      await newReadyVersion(registry, model);
      await release(2);
      await release(1);
      if (scope === 'platform') await registry.admin.integrity.setPolicy({ body: { signed_only: true } });
      else await registry.admin.integrity.setModelPolicy({ params: { model }, body: { signed_only: true } });
      const against = { model, version: 1, endpoint: model };
      expect((await registry.admin.integrity.readPolicy()).unsigned).toContainEqual(against);
      expect(await read()).toMatchObject({ signed_only: true, signed: false });
      await expect(release(1)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });
      await expect(setAlias(1)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });
      const byMlflow = await registry.send('POST', '/api/2.0/mlflow/registered-models/alias', {
        headers: {
          authorization: `Bearer ${registry.adminToken}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ name: model, alias: 'champion', version: '1' }),
      });
      expect([byMlflow.status, await byMlflow.json()]).toMatchObject([
        409,
        { error_code: 'RESOURCE_CONFLICT', message: expect.stringContaining('signed') as string },
      ]);

      await attest(key.name, key.signed((await read()).manifest));
      expect((await registry.admin.integrity.readPolicy()).unsigned).not.toContainEqual(against);
      await setAlias(1);
      await release('champion');
      await expect(setAlias(2)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });
      await expect(release(1, 2)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });
      // Back to the traffic of before the policy: its version is as unsigned as on any other way.
      await expect(release(2)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });

      await registry.admin.integrity.revokeKey({ params: { key: key.name } });
      expect(await read()).toMatchObject({ signed: false, attestations: [{ counts: false }] });
      expect((await registry.admin.integrity.readPolicy()).unsigned).toContainEqual(against);
      await expect(release(1)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });
    },
  );

  it('is changed by admins alone, and an external version has nothing to sign', async () => {
    const writer = await registry.caller('models:write');
    const body = { signed_only: true };
    for (const set of [
      () => writer.client.integrity.setPolicy({ body }),
      () => writer.client.integrity.setModelPolicy({ params: { model }, body }),
    ])
      await expect(set()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await registry.admin.integrity.setModelPolicy({ params: { model }, body });
    expect(await auditedActions(registry, `models/${model}`)).toContain('model.set_release_policy');
    const key = await newKey();
    await registry.admin.externalNodes.createVersion({ params: { model }, body: {} });
    const { manifest } = await read();
    await expect(attest(key.name, key.signed(manifest))).rejects.toMatchObject({
      code: 'ATTESTATION_INVALID',
    });
    await expect(release(1)).rejects.toMatchObject({ code: 'VERSION_NOT_SIGNED' });
  });
});

describe('bytes that have rotted in the store', () => {
  const sizeBytes = 3_000_000;
  const options = () => ({ baseUrl: registry.url, token: () => registry.adminToken });
  const upload = (bytes: Buffer) => uploadVersion(options(), model, [{ path: 'model.onnx', source: bytes }]);
  const pathOf = (sha256: string): string =>
    join(registry.config.SLUICE_ARTIFACTS_DIR, 'sha256', sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  /** Joins as a node. */
  async function node() {
    const { credential } = await registry.clientWith(nodeJoinToken).nodes.register({
      body: {
        name: 'node',
        address: 'http://127.0.0.1:1',
        capacity: { cores: 1, memory_bytes: 1 },
        program_version: '1',
      },
    });
    const folder = await mkdtemp(join(tmpdir(), 'sluice-cache-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const openArtifact = artifactSource({ baseUrl: registry.url, token: () => Promise.resolve(credential) });
    return {
      cache: new ArtifactCache({ folder, maxBytes: 1e9, openArtifact, inUse: () => new Set() }),
      get: (sha256: string, range?: string) =>
        registry.send('GET', `/api/v1/artifacts/${sha256}`, {
          headers: { authorization: `Bearer ${credential}`, ...(range ? { range } : {}) },
        }),
    };
  }
  const patience = { signal: new AbortController().signal, random: () => 0, onTrouble: () => undefined };

  it('never reach a node as if they were whole, are told, refuse a release, and heal when they are stored again', async () => {
    const bytes = randomBytes(sizeBytes);
    await registry.dataSource.query(`UPDATE versions SET status = 'READY' WHERE id = $1`, [
      (await upload(bytes)).id,
    ]);
    const { files } = await registry.admin.versions.read({ params: address(1) });
    const [file] = files;
    const { sha256 } = file ?? expect.fail('no file');
    const { cache, get } = await node();
    const events = await followEvents(registry.url, registry.adminToken, { query: '?types=version' });
    onTestFinished(() => events.stop());
    for (const [range, wanted] of [
      [undefined, bytes],
      ['bytes=2000000-', bytes.subarray(2_000_000)],
      ['bytes=5-9', bytes.subarray(5, 10)],
    ] as const)
      expect(Buffer.from(await (await get(sha256, range)).arrayBuffer()).equals(wanted)).toBe(true);

    const rotten = Buffer.from(bytes);
    rotten.writeUInt8(bytes.readUInt8(sizeBytes / 2) ^ 1, sizeBytes / 2);
    await writeFile(pathOf(sha256), rotten);
    await expect(get(sha256).then((answer) => answer.arrayBuffer())).rejects.toThrow();
    expect(await events.until(({ type }) => type === 'version.corrupt')).toMatchObject({
      subject: `models/${model}/versions/1`,
      data: { path: 'model.onnx', sha256 },
    });
    const refusal = await get(sha256, 'bytes=2999990-');
    expect([refusal.status, await refusal.json()]).toMatchObject([409, { code: 'ARTIFACT_CORRUPT' }]);
    const download = await registry.send('GET', `/api/v1/models/${model}/versions/1/download`, {
      headers: { authorization: `Bearer ${registry.adminToken}`, range: 'bytes=0-9' },
    });
    expect(download.status).toBe(409);
    expect(await read()).toMatchObject({ corrupt_files: ['model.onnx'] });
    await expect(release(1)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
    await expect(fetchPatiently(cache, file ?? expect.fail(), patience)).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
    });

    await upload(bytes);
    await release(1);
    expect((await readFile(await fetchPatiently(cache, file ?? expect.fail(), patience))).equals(bytes)).toBe(
      true,
    );
    expect(events.changes.filter(({ type }) => type === 'version.corrupt')).toHaveLength(1);
  });

  it('are found by a download as well', async () => {
    const { sha256 } = (await upload(randomBytes(1_000))).files[0] ?? expect.fail('no file');
    await writeFile(pathOf(sha256), randomBytes(1_000));
    const answer = await registry.send('GET', `/api/v1/models/${model}/versions/1/download`, {
      headers: { authorization: `Bearer ${registry.adminToken}` },
    });
    expect([answer.status, await answer.json()]).toMatchObject([409, { code: 'ARTIFACT_CORRUPT' }]);
    expect(await read()).toMatchObject({ corrupt_files: ['model.onnx'] });
  });

  it('are told too when the store has lost them, and heal when they are put back', async () => {
    const bytes = randomBytes(1_000);
    const { sha256 } = (await upload(bytes)).files[0] ?? expect.fail('no file');
    const { get } = await node();
    await rm(pathOf(sha256));
    expect((await get(sha256)).status).toBe(404);
    expect(await read()).toMatchObject({ corrupt_files: ['model.onnx'] });
    await writeFile(pathOf(sha256), bytes);
    expect((await get(sha256)).status).toBe(200);
    expect(await read()).toMatchObject({ corrupt_files: [] });
  });
});
