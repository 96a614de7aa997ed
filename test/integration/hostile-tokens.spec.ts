/** One list of bad tokens for both doors: the registry's guard and a gateway that follows it. */
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { goodToken, hostileTokens } from '../support/hostile-tokens.js';
import type { TokenParts } from '../support/hostile-tokens.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { cleanUp, startTestGateway } from './gateway-harness.js';

let registry: TestRegistry;
let gateway: Gateway;
let parts: TokenParts;
beforeAll(async () => {
  registry = await startRegistry();
  gateway = await startTestGateway(registry.url, { SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken });
  await gateway.ready;
  const { token } = await registry.caller('infer', 'models:read');
  const rows = await registry.dataSource.query<{ private_pem: string }[]>(
    'SELECT private_pem FROM signing_keys',
  );
  parts = {
    kid: decodeProtectedHeader(token).kid ?? '',
    privateKey: createPrivateKey(rows[0]?.private_pem ?? ''),
    claims: decodeJwt(token),
  };
});
afterAll(async () => {
  await cleanUp();
  await registry.close();
});

async function statuses(token: string): Promise<number[]> {
  const headers = { authorization: `Bearer ${token}` };
  const answers = await Promise.all([
    fetch(`${registry.url}/api/v1/models`, { headers }),
    fetch(`${gateway.url}/v2/models/iris/infer`, { method: 'POST', headers, body: '{}' }),
  ]);
  await Promise.all(answers.map((answer) => answer.text()));
  return answers.map(({ status }) => status);
}

it('lets in the token that the others are made from', async () => {
  // There is no endpoint iris, which only one who was let in is told.
  expect(await statuses(goodToken(parts))).toEqual([200, 404]);
});

it('lets in none of the others, at either door', async () => {
  const cases = hostileTokens(parts);
  for (const [name, token] of cases) expect.soft(await statuses(token), name).toEqual([401, 401]);
});
