/** The way of a version from upload to archive, through the one public address. */
import { isDeepStrictEqual } from 'node:util';
import { uploadVersion } from '#client/upload';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { irisFile, irisRequest } from '../support/iris.js';
import { failures, outcomeOf, startLoad } from '../support/load.js';
import { eventually, startPlatform } from '../support/platform.js';
import type { Caller, Platform } from '../support/platform.js';

const model = 'flowers';
let platform: Platform;
let caller: Caller;

beforeAll(async () => {
  platform = await startPlatform({ nodes: 2 });
  caller = await platform.createCaller(['infer']);
});
afterAll(async () => platform.stop());

async function setSplit(split: { version: number | string; weight: number }[]): Promise<void> {
  const endpoint = await platform.admin.endpoints.read({ params: { endpoint: model } });
  await platform.admin.endpoints.setTraffic({
    params: { endpoint: model },
    headers: { 'if-match': `"${endpoint.revision}"` },
    body: { split },
  });
}

const answeringVersion = (target = model, headers?: Record<string, string>): Promise<string> =>
  caller.infer(target, irisRequest, headers).then(outcomeOf);

describe('a release', () => {
  it('checks an uploaded version on a node and makes it READY with signature and profile', async () => {
    await platform.admin.models.create({ body: { name: model } });
    for (const version of [1, 2] as const) {
      const uploaded = await uploadVersion(platform.adminOptions, model, [
        { path: 'model.onnx', source: irisFile(version) },
      ]);
      expect(uploaded).toMatchObject({ version, status: 'PENDING' });
      const ready = await platform.waitForVersion(model, version, 'READY');
      expect(ready.signature?.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 4] }]);
      expect(ready.profile?.latency_ms).toBeGreaterThan(0);
      expect(ready.profile?.memory_bytes).toBeGreaterThan(0);
    }
  });

  it('gives no traffic before someone releases it', async () => {
    await eventually(async () => (await answeringVersion()) === '503 NO_TRAFFIC' || undefined, 'NO_TRAFFIC');
  });

  it('unloads and loads versions on Triton’s repository calls', async () => {
    const operator = await platform.createCaller(['admin', 'infer']);
    const call = async (path: string, body: object = {}): Promise<unknown> => {
      const answer = await fetch(`${platform.gatewayUrl}/v2/repository/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await operator.token()}` },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
      return answer.json();
    };
    const whenIndexIs = (states: Record<string, string>): Promise<unknown> =>
      eventually(
        async () => {
          const rows = (await call('index')) as { name: string; version: string; state: string }[];
          const mine = rows.filter(({ name }) => name === model).map((row) => [row.version, row.state]);
          return isDeepStrictEqual(Object.fromEntries(mine), states) || undefined;
        },
        `the index is ${JSON.stringify(states)}`,
      );
    await call(`models/${model}/unload`);
    await whenIndexIs({ 1: 'UNAVAILABLE', 2: 'UNAVAILABLE' });
    await call(`models/${model}/load`);
    await whenIndexIs({ 1: 'UNAVAILABLE', 2: 'READY' });
    await call(`models/${model}/load`, { parameters: { version: 1 } });
    await whenIndexIs({ 1: 'READY', 2: 'READY' });
  });

  it('answers with the released version, by name, number and alias', async () => {
    await platform.admin.aliases.set({ params: { model, alias: 'champion' }, body: { version: 2 } });
    await setSplit([{ version: 1, weight: 100 }]);
    await eventually(
      async () => (await answeringVersion()) === 'version 1' || undefined,
      'version 1 answers',
    );
    expect(await answeringVersion(`${model}/versions/2`)).toBe('version 2');
    await eventually(
      async () => (await answeringVersion(`${model}/versions/champion`)) === 'version 2' || undefined,
      'the alias answers',
    );
    expect(await answeringVersion(`${model}/versions/9`)).toBe('404 VERSION_NOT_FOUND');
  });

  it('splits 2,000 requests 70 to 30, and loses none while the weights change', async () => {
    const load = startLoad(caller, model, irisRequest, 8);
    await setSplit([
      { version: 1, weight: 70 },
      { version: 2, weight: 30 },
    ]);
    const setAtMs = Date.now();
    const seen = load.counts.get('version 2') ?? 0;
    await eventually(
      async () => (load.counts.get('version 2') ?? 0) > seen || undefined,
      'the canary answers',
    );
    expect(Date.now() - setAtMs).toBeLessThan(1_000);
    const before = new Map(load.counts);
    await load.after(2_000);
    await load.stop();
    expect(failures(load)).toEqual([]);
    const gained = (version: number): number =>
      (load.counts.get(`version ${version}`) ?? 0) - (before.get(`version ${version}`) ?? 0);
    const share = gained(2) / (gained(1) + gained(2));
    // Five standard deviations of a binomial share at n = 2,000, p = 0.3: one failure in two million runs.
    expect(Math.abs(share - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / 2_000));
  });

  it('follows a header rule before the split', async () => {
    const endpoint = await platform.admin.endpoints.read({ params: { endpoint: model } });
    await platform.admin.endpoints.setTraffic({
      params: { endpoint: model },
      headers: { 'if-match': `"${endpoint.revision}"` },
      body: {
        rules: [{ header: 'X-Cohort', value: 'beta', version: 2 }],
        split: [{ version: 1, weight: 1 }],
      },
    });
    // Ten of each: the split that held before sends a share of everyone to version 2.
    const always = async (cohort: string, version: string): Promise<boolean> => {
      const answers = Array.from({ length: 10 }, () => answeringVersion(model, { 'x-cohort': cohort }));
      return (await Promise.all(answers)).every((answer) => answer === version);
    };
    await eventually(
      async () => ((await always('beta', 'version 2')) && (await always('alpha', 'version 1'))) || undefined,
      'the rule holds',
    );
  });

  it('promotes the canary, then archives the old version, which no caller notices', async () => {
    const load = startLoad(caller, model, irisRequest, 4);
    await expect(platform.admin.versions.archive({ params: { model, version: '1' } })).rejects.toMatchObject({
      code: 'VERSION_IN_USE',
    });
    await setSplit([{ version: 'champion', weight: 1 }]);
    const before = load.counts.get('version 2') ?? 0;
    await eventually(
      async () => (load.counts.get('version 2') ?? 0) > before + 100 || undefined,
      'version 2 answers',
    );
    await platform.admin.versions.archive({ params: { model, version: '1' } });
    await eventually(
      async () => (await answeringVersion(`${model}/versions/1`)) === '404 VERSION_NOT_FOUND' || undefined,
      'version 1 is gone',
    );
    await load.stop();
    expect(failures(load)).toEqual([]);
    const history = await platform.admin.endpoints.history({ params: { endpoint: model } });
    expect(history.items.length).toBeGreaterThanOrEqual(4);
  });
});
