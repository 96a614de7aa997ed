/** What must be refused, with its code, and must do no harm. */
import { uploadVersion } from '#client/upload';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { irisRequest } from '../support/iris.js';
import { outcomeOf } from '../support/load.js';
import { eventually, startPlatform } from '../support/platform.js';
import type { Caller, Platform } from '../support/platform.js';

let platform: Platform;
let caller: Caller;

beforeAll(async () => {
  platform = await startPlatform();
  caller = await platform.createCaller(['infer']);
});
afterAll(async () => platform.stop());

const infer = (
  headers: Record<string, string>,
  body: string = JSON.stringify(irisRequest),
): Promise<Response> =>
  fetch(`${platform.gatewayUrl}/v2/models/iris/infer`, { method: 'POST', headers, body });

describe('an inference request', () => {
  it('is refused without a good token', async () => {
    expect(await outcomeOf(await infer({}))).toBe('401 UNAUTHENTICATED');
    expect(await outcomeOf(await infer({ authorization: 'Bearer nonsense' }))).toBe('401 UNAUTHENTICATED');
    const token = await caller.token();
    const forged = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
    expect(await outcomeOf(await infer({ authorization: `Bearer ${forged}` }))).toBe('401 UNAUTHENTICATED');
  });

  it('is refused without the scope, or with the scope of another endpoint', async () => {
    const reader = await platform.createCaller(['models:read']);
    expect(await outcomeOf(await reader.infer('iris', irisRequest))).toBe('403 FORBIDDEN');
    const elsewhere = await platform.createCaller(['infer:other']);
    expect(await outcomeOf(await elsewhere.infer('iris', irisRequest))).toBe('403 FORBIDDEN');
    const here = await platform.createCaller(['infer:iris']);
    expect(await outcomeOf(await here.infer('iris', irisRequest))).toMatch(/^version/);
  });

  it('is refused once the client is disabled, with a token issued before', async () => {
    const leaver = await platform.createCaller(['infer']);
    expect(await outcomeOf(await leaver.infer('iris', irisRequest))).toMatch(/^version/);
    await platform.admin.clients.disable({ params: { client_id: leaver.clientId } });
    await eventually(
      async () =>
        (await outcomeOf(await leaver.infer('iris', irisRequest))) === '403 CLIENT_DISABLED' || undefined,
      'the gateway knows',
      2_000,
    );
  });

  it('is refused on an unknown endpoint', async () => {
    expect(await outcomeOf(await caller.infer('nowhere', irisRequest))).toBe('404 ENDPOINT_NOT_FOUND');
  });

  it.each([
    ['text that is not JSON', '{"inputs": [', /^400 INVALID_JSON/],
    ['no body', '', /^400 INVALID_JSON/],
    ['no inputs', '{}', /^400 INVALID_/],
    [
      'an unknown input',
      { inputs: [{ name: 'y', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] },
      /^400 INVALID_TENSOR/,
    ],
    [
      'a wrong shape',
      { inputs: [{ name: 'x', shape: [1, 5], datatype: 'FP32', data: [1, 2, 3, 4, 5] }] },
      /^400 INVALID_TENSOR/,
    ],
    [
      'too little data',
      { inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [1] }] },
      /^400 INVALID_TENSOR/,
    ],
    [
      'a wrong datatype',
      { inputs: [{ name: 'x', shape: [1, 4], datatype: 'INT64', data: [1, 2, 3, 4] }] },
      /^400 INVALID_TENSOR/,
    ],
    [
      'a huge shape',
      { inputs: [{ name: 'x', shape: [4e9, 4], datatype: 'FP32', data: [1] }] },
      /^400 INVALID_TENSOR/,
    ],
  ])('is refused with words for %s', async (_, body, outcome) => {
    const response = await caller.infer('iris', body);
    const text = await response.clone().text();
    expect(await outcomeOf(response)).toMatch(outcome);
    expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/\w+ \w+/) });
  });

  it('is refused when the body is over the limit, before it has arrived', async () => {
    const response = await caller
      .infer('iris', 'x'.repeat(65 * 1024 * 1024))
      .then(outcomeOf, () => 'connection closed');
    expect(response).toMatch(/413 PAYLOAD_TOO_LARGE|connection closed/);
    expect(await outcomeOf(await caller.infer('iris', irisRequest))).toMatch(/^version/);
  });

  it('is refused past a quota, with the time to come back', async () => {
    const metered = await platform.createCaller(['infer']);
    await platform.admin.quotas.create({
      body: { name: 'three-a-day', client_id: metered.clientId, window: 'day', limit: 3 },
    });
    await eventually(async () => {
      const response = await metered.infer('nowhere', irisRequest);
      return (
        response.headers.has('ratelimit') ||
        (await metered.infer('iris', irisRequest)).headers.has('ratelimit') ||
        undefined
      );
    }, 'the gateway knows the quota');
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i += 1) outcomes.push(await outcomeOf(await metered.infer('iris', irisRequest)));
    expect(outcomes.at(-1)).toBe('429 QUOTA_EXCEEDED');
    const denied = await metered.infer('iris', irisRequest);
    expect(Number(denied.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(denied.headers.get('ratelimit-policy')).toContain('three-a-day');
    expect(await outcomeOf(denied)).toBe('429 QUOTA_EXCEEDED');
    expect(await outcomeOf(await caller.infer('iris', irisRequest))).toMatch(/^version/);
  });
});

describe('a node', () => {
  it('refuses predictions that do not come from a gateway', async () => {
    const nodes = await platform.admin.nodes.list();
    const address = nodes.items[0]?.address;
    const post = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${address}/v2/models/iris/infer`, {
        method: 'POST',
        headers,
        body: JSON.stringify(irisRequest),
      });
    expect(await outcomeOf(await post({}))).toBe('401 UNAUTHENTICATED');
    const token = await caller.token();
    expect(await outcomeOf(await post({ authorization: `Bearer ${token}` }))).toBe('403 FORBIDDEN');
  });

  it('turns a file that is no model into a FAILED version with the reason, and lives on', async () => {
    await platform.admin.models.create({ body: { name: 'broken' } });
    const bytes = new TextEncoder().encode('this is not an ONNX file, however much one wishes it were');
    await uploadVersion(platform.adminOptions, 'broken', [{ path: 'model.onnx', source: bytes }]);
    const failed = await platform.waitForVersion('broken', 1, 'FAILED');
    expect(failed.status_reason).toMatch(/protobuf|parse|ONNX/i);
    const endpoint = await platform.admin.endpoints.read({ params: { endpoint: 'broken' } });
    await expect(
      platform.admin.endpoints.setTraffic({
        params: { endpoint: 'broken' },
        headers: { 'if-match': `"${endpoint.revision}"` },
        body: { split: [{ version: 1, weight: 1 }] },
      }),
    ).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
    expect(await outcomeOf(await caller.infer('iris', irisRequest))).toMatch(/^version/);
  });
});
