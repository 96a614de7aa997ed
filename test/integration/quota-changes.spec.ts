/** Changes of quotas at two gateways that follow one registry: each is in force at both within 2 s. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { oneRequest } from '#quota/costs';
import { isDenial, settleAll } from '#quota/lease-desk';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { cleanUp, startTestGateway } from './gateway-harness.js';

const maxMs = 2_000;
let registry: TestRegistry;
let gateways: Gateway[];

beforeAll(async () => {
  registry = await startRegistry();
  const settings = { SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken };
  gateways = await Promise.all([1, 2].map(() => startTestGateway(registry.url, settings)));
  await Promise.all(gateways.map(({ ready }) => ready));
});
afterAll(async () => {
  await cleanUp();
  await registry.close();
});

const cellOf = ({ core }: Gateway) => core.quotas.cellsFor('iris', 'shop', undefined)[0];

/** One request, answered at once. */
async function isAdmitted({ core }: Gateway): Promise<boolean> {
  const cells = core.quotas.cellsFor('iris', 'shop', undefined);
  const admission = await core.leases.admit(cells, oneRequest, performance.now());
  if (isDenial(admission)) return false;
  settleAll(admission, oneRequest, oneRequest, performance.now());
  return true;
}

/** Asks at each gateway until it goes by the change. @returns how long the slower one took */
async function msUntil(holds: (gateway: Gateway) => Promise<boolean>, since: number): Promise<number> {
  await Promise.all(
    gateways.map(async (gateway) => {
      while (!(await holds(gateway))) {
        if (performance.now() - since > 20_000) throw new Error('the change never came into force');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }),
  );
  return performance.now() - since;
}

it('creation, change, override and its end, grant, reset and removal are in force at both within 2 s', async () => {
  const { quotas } = registry.admin;
  const took: Record<string, number> = {};
  const change = async (
    what: string,
    act: () => Promise<unknown>,
    holds: (gateway: Gateway) => Promise<boolean>,
  ): Promise<void> => {
    await act();
    took[what] = await msUntil(holds, performance.now());
  };
  /** What a gateway goes by once it has asked. */
  const hasLimit = (limit: number) => async (gateway: Gateway) => {
    await isAdmitted(gateway);
    return cellOf(gateway)?.limit === limit;
  };
  let id = '';
  await change(
    'create',
    async () => {
      const body = { name: 'shared', window: 'day', limit: 0, per_client: false } as const;
      ({ id } = await quotas.create({ body }));
    },
    async (gateway) => !(await isAdmitted(gateway)),
  );
  const params = { quota_id: id };
  const until = () => new Date(Date.now() + 600_000).toISOString();
  await change('change', () => quotas.update({ params, body: { limit: 40 } }), isAdmitted);
  await change(
    'override',
    () => quotas.override({ params, body: { limit: 7, until: until() } }),
    hasLimit(7),
  );
  await change('revoke', () => quotas.revokeOverride({ params }), hasLimit(40));
  const soon = new Date(Date.now() + 1_500);
  await quotas.override({ params, body: { limit: 9, until: soon.toISOString() } });
  await msUntil(hasLimit(9), performance.now());
  took['end of an override'] = await msUntil(hasLimit(40), performance.now() + soon.getTime() - Date.now());
  await Promise.all(
    gateways.map(async (gateway) => {
      while (await isAdmitted(gateway));
    }),
  );
  await change('grant', () => quotas.grant({ params, body: { amount: 100 } }), isAdmitted);
  await change(
    'reset',
    () => quotas.reset({ params }),
    async (gateway) => {
      const used = cellOf(gateway)?.used ?? -1;
      return (await isAdmitted(gateway)) && used >= 0 && used < 40;
    },
  );
  await change(
    'remove',
    () => quotas.remove({ params }),
    async (gateway) => Promise.resolve(cellOf(gateway) === undefined),
  );
  for (const [what, ms] of Object.entries(took))
    expect(ms, `${what}: ${JSON.stringify(took)}`).toBeLessThan(maxMs);
});
