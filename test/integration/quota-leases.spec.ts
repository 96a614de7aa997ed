/** The ledger on a real database: what gateways are granted, whatever they report, and several of them spending at once. */
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SluiceClient } from '#client/client';
import type { LeaseItem, Quota } from '#contracts/quotas';
import { createLogger } from '#platform/logger';
import { QuotaBook } from '#quota/book';
import { oneRequest } from '#quota/costs';
import { LeaseDesk, isDenial, settleAll } from '#quota/lease-desk';
import { LeaseLink } from '../../apps/gateway/src/control/lease-link.js';
import { QuotaSweeper } from '../../apps/registry/src/quotas/quota-sweeper.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let gateway: SluiceClient;

async function joinGateway(name: string): Promise<SluiceClient> {
  const body = { name, program_version: '0.1.0' };
  const { credential } = await registry.clientWith(gatewayJoinToken).gateways.register({ body });
  return registry.clientWith(credential);
}

beforeAll(async () => {
  registry = await startRegistry();
  // Here the tests sweep, at times of their own: a sweep of now in between would see what they have not begun.
  await registry.app.get(QuotaSweeper).onModuleDestroy();
  gateway = await joinGateway('one');
});
afterAll(() => registry.close());
beforeEach(() => registry.dataSource.query('TRUNCATE quotas, quota_holders CASCADE'));

const makeQuota = (over: object = {}): Promise<Quota> =>
  registry.admin.quotas.create({
    body: { name: 'shared', window: 'day', limit: 1_000, per_client: false, ...over },
  });
const itemOf = (quota: Quota, over: Partial<LeaseItem> = {}): LeaseItem => ({
  quota_id: quota.id,
  key: '',
  window_start: 0,
  held: 0,
  spent: 0,
  released: 0,
  need: 0,
  want: 0,
  ahead: 0,
  ...over,
});
const callOf = (holder: string, sequence: number, ...items: LeaseItem[]) => ({
  body: { holder, sequence, hold_ms: 1_000, items },
});

describe('lease calls', () => {
  it('grant half of what is left for later, all of it to those who wait, and never more', async () => {
    const quota = await makeQuota();
    const holder = uuidv7();
    const first = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { want: 5_000 })));
    expect(first.grants).toMatchObject([{ held: 500, left: 500, elsewhere: 0, limit: 1_000 }]);
    const second = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 700 })));
    expect(second.grants).toMatchObject([{ held: 500, left: 0, elsewhere: 500 }]);
    expect(second.gateways).toBe(2);
  });

  it('count a call that comes twice once, and refuse one that was overtaken', async () => {
    const quota = await makeQuota();
    const holder = uuidv7();
    const call = callOf(holder, 1, itemOf(quota, { need: 10 }));
    const answer = await gateway.quotas.lease(call);
    expect((await gateway.quotas.lease(call)).grants).toMatchObject([{ held: 10, left: 990, elsewhere: 0 }]);
    const window = answer.grants[0]?.window_start ?? 0;
    const report = itemOf(quota, { window_start: window, held: 10, spent: 4, released: 6 });
    const later = await gateway.quotas.lease(callOf(holder, 2, report));
    expect(later.grants).toMatchObject([{ held: 0, left: 996, elsewhere: 0 }]);
    const again = await gateway.quotas.lease(callOf(holder, 2, report));
    expect(again.grants).toMatchObject([{ held: 0, left: 996 }]);
    await expect(gateway.quotas.lease(call)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const other = await joinGateway('two');
    await expect(other.quotas.lease(callOf(holder, 3))).rejects.toMatchObject({ code: 'LEASE_LOST' });
  });

  it('believe no report that gives back more than was granted', async () => {
    const quota = await makeQuota({ limit: 10 });
    const holder = uuidv7();
    const { grants } = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { need: 4 })));
    const window = grants[0]?.window_start ?? 0;
    const lie = itemOf(quota, { window_start: window, held: 4, spent: 1, released: 1_000, need: 1_000 });
    expect((await gateway.quotas.lease(callOf(holder, 2, lie))).grants).toMatchObject([{ held: 9 }]);
    const stranger = itemOf(quota, { window_start: window, held: 50, released: 50, need: 1 });
    const answer = await gateway.quotas.lease(callOf(uuidv7(), 1, stranger));
    expect(answer.grants).toMatchObject([{ held: 0, lost: true }]);
  });

  it('of many gateways at once are served together, each by its own', async () => {
    const quota = await makeQuota();
    const broken = gateway.quotas.lease(callOf(uuidv7(), 7, itemOf(quota, { need: 1 })));
    const others = Array.from({ length: 40 }, () =>
      gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 30 }))),
    );
    await expect(broken).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const answers = await Promise.all(others);
    expect(answers.reduce((sum, { grants }) => sum + (grants[0]?.held ?? 0), 0)).toBe(1_000);
  });

  it('get a block of the next window before it begins', async () => {
    const quota = await makeQuota({ window: 'second', limit: 100 });
    const holder = uuidv7();
    const first = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { need: 1 })));
    let [grant] = first.grants;
    for (let sequence = 2; (grant?.ahead ?? 0) === 0; sequence += 1) {
      const wish = itemOf(quota, {
        window_start: grant?.window_start ?? 0,
        held: grant?.held ?? 0,
        ahead: 30,
      });
      [grant] = (await gateway.quotas.lease(callOf(holder, sequence, wish))).grants;
    }
    expect(grant).toMatchObject({ ahead: 30, window_end: (grant?.window_start ?? 0) + 1_000 });
    expect((grant?.next_ends_in_ms ?? 0) - (grant?.ends_in_ms ?? 0)).toBeCloseTo(1_000, 3);
    let others;
    do [others] = (await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 1_000 })))).grants;
    while (others && others.window_start < (grant?.window_end ?? 0));
    if (others?.window_start === grant?.window_end) expect(others).toMatchObject({ held: 70, elsewhere: 30 });
  });

  it('need the scope of a gateway', async () => {
    const lease = registry.admin.quotas.lease(callOf(uuidv7(), 1));
    await expect(lease).rejects.toMatchObject({ status: 403 });
  });

  it('leave out quotas that are gone', async () => {
    const quota = await makeQuota();
    await registry.admin.quotas.remove({ params: { quota_id: quota.id } });
    const answer = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 1 })));
    expect(answer.grants).toEqual([]);
  });
});

describe('leases of gateways that were killed', () => {
  /** Nothing is heard for longer than a lease lasts. */
  const expire = async (): Promise<void> => {
    const sweeper = registry.app.get(QuotaSweeper);
    await sweeper.sweep();
    await sweeper.sweep(performance.now() + 60_000);
  };

  it('count as used, and their holder never comes back', async () => {
    const quota = await makeQuota({ limit: 10 });
    const holder = uuidv7();
    const { grants } = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { need: 6 })));
    await expire();
    const window = grants[0]?.window_start ?? 0;
    const late = itemOf(quota, { window_start: window, held: 6, spent: 1, released: 5, need: 10 });
    const call = gateway.quotas.lease(callOf(holder, 2, late));
    await expect(call).rejects.toMatchObject({ code: 'LEASE_LOST' });
    const answer = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 10 })));
    expect(answer.grants).toMatchObject([{ held: 4, left: 0, elsewhere: 0 }]);
  });

  it('are renewed by any call, whatever it is about', async () => {
    const quota = await makeQuota({ limit: 10 });
    const holder = uuidv7();
    const { grants } = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { need: 6 })));
    const sweeper = registry.app.get(QuotaSweeper);
    await sweeper.sweep();
    await gateway.quotas.lease(callOf(holder, 2));
    await sweeper.sweep(performance.now() + 60_000);
    const window = grants[0]?.window_start ?? 0;
    const answer = await gateway.quotas.lease(
      callOf(holder, 3, itemOf(quota, { window_start: window, held: 6 })),
    );
    expect(answer.grants).toMatchObject([{ held: 6, left: 4, lost: false }]);
  });

  it('are not those of one that lives when the database’s clock is set forward', async () => {
    const quota = await makeQuota({ limit: 10, window: 'bucket', refill_per_second: 1 });
    await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 6 })));
    await registry.dataSource.query(`UPDATE quota_holders SET expires_at = now() - interval '1 hour'`);
    await registry.app.get(QuotaSweeper).sweep();
    const answer = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 10 })));
    expect(answer.grants).toMatchObject([{ held: 4, left: 0, elsewhere: 6 }]);
  });

  it('are free again when they were for requests at a time', async () => {
    const quota = await makeQuota({ limit: 10, unit: 'concurrency', window: null });
    await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 10 })));
    await expire();
    // Ended by a clock that was set forward, their requests would still run.
    const early = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 10 })));
    expect(early.grants).toMatchObject([{ held: 0, elsewhere: 10 }]);
    await registry.app.get(QuotaSweeper).sweep(performance.now() + 3_600_000);
    const answer = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 10 })));
    expect(answer.grants).toMatchObject([{ held: 10 }]);
  });
});

describe('a reset', () => {
  it('frees what was used, but not what gateways hold', async () => {
    const quota = await makeQuota({ limit: 10 });
    const holder = uuidv7();
    const { grants } = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { need: 10 })));
    const window = grants[0]?.window_start ?? 0;
    await gateway.quotas.lease(
      callOf(holder, 2, itemOf(quota, { window_start: window, held: 10, spent: 7 })),
    );
    const changed = await registry.admin.quotas.reset({ params: { quota_id: quota.id } });
    expect(changed.revision).toBe(quota.revision + 1);
    const answer = await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota, { need: 10 })));
    expect(answer.grants).toMatchObject([{ held: 7, left: 0, elsewhere: 3 }]);
  });
});

describe('an extra grant', () => {
  it('is added to the window of the moment, for one client where each has a count', async () => {
    const quota = await makeQuota({ limit: 10, per_client: true });
    const params = { quota_id: quota.id };
    await registry.admin.quotas.grant({ params, body: { amount: 5, client_id: 'admin' } });
    const answer = await gateway.quotas.lease(
      callOf(uuidv7(), 1, itemOf(quota, { key: 'admin', need: 99 }), itemOf(quota, { key: 'b', need: 99 })),
    );
    expect(answer.grants.map(({ held }) => held)).toEqual([15, 10]);
    const nobody = registry.admin.quotas.grant({ params, body: { amount: 5 } });
    await expect(nobody).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const { id } = await makeQuota({ name: 'at-a-time', unit: 'concurrency', window: null });
    const forGood = registry.admin.quotas.grant({ params: { quota_id: id }, body: { amount: 5 } });
    await expect(forGood).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const { items } = await registry.admin.audit.list({ query: { action: 'quota.grant' } });
    expect(items).toMatchObject([{ subject: 'quotas/shared', after: { grant: { amount: 5 } } }]);
  });
});

describe('an override', () => {
  const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
  const ask = async (quota: Quota, key: string): Promise<number> => {
    const item = itemOf(quota, { key, need: 1 });
    const { grants } = await gateway.quotas.lease(callOf(uuidv7(), 1, item));
    return grants[0]?.limit ?? -1;
  };

  it('is the limit until its end, for all counts or for one client', async () => {
    const quota = await makeQuota({ limit: 10, per_client: true });
    const params = { quota_id: quota.id };
    const { quotas } = registry.admin;
    await quotas.override({ params, body: { limit: 20, until: inAnHour() } });
    await quotas.override({ params, body: { limit: 99, until: inAnHour(), client_id: 'admin' } });
    expect([await ask(quota, 'admin'), await ask(quota, 'b')]).toEqual([99, 20]);
    const standing = (await quotas.explain({ query: { client_id: 'admin' } })).quotas[0];
    expect(standing).toMatchObject({ limit: 99, quota: { limit: 10, revision: 3 } });
    expect(standing?.override_until).not.toBeNull();
    expect((await quotas.overrides({ params })).items.map(({ limit }) => limit)).toEqual([20, 99]);
    await quotas.revokeOverride({ params, query: { client_id: 'admin' } });
    expect(await ask(quota, 'admin')).toBe(20);
    await registry.dataSource.query(`UPDATE quota_overrides SET ends_at = now() - interval '1 ms'`);
    expect(await ask(quota, 'admin')).toBe(10);
    await registry.app.get(QuotaSweeper).sweep();
    expect((await quotas.list()).items).toMatchObject([{ revision: 5 }]);
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: 'quotas/shared' } });
    expect(items.slice(0, 4).map(({ action, actor }) => [action, actor])).toEqual([
      ['quota.end_override', 'system'],
      ['quota.revoke_override', 'client:admin'],
      ['quota.override', 'client:admin'],
      ['quota.override', 'client:admin'],
    ]);
  });

  it('is refused without a future, and for a client where all share one count', async () => {
    const params = { quota_id: (await makeQuota()).id };
    const { quotas } = registry.admin;
    for (const body of [
      { limit: 1, until: '2020-01-01T00:00:00Z' },
      { limit: 1, until: inAnHour(), client_id: 'admin' },
    ])
      await expect(quotas.override({ params, body })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(quotas.revokeOverride({ params })).rejects.toMatchObject({
      code: 'QUOTA_OVERRIDE_NOT_FOUND',
    });
    const nowhere = { quota_id: uuidv7() };
    await expect(quotas.overrides({ params: nowhere })).rejects.toMatchObject({ code: 'QUOTA_NOT_FOUND' });
  });
});

describe('soft limits', () => {
  it('are told once per window and share, whichever gateways reached them together', async () => {
    const quota = await makeQuota({ limit: 100, alert_at: [0.8, 0.95] });
    const spend = async (amount: number): Promise<void> => {
      const holder = uuidv7();
      const { grants } = await gateway.quotas.lease(callOf(holder, 1, itemOf(quota, { need: amount })));
      const window = grants[0]?.window_start ?? 0;
      const report = itemOf(quota, { window_start: window, held: amount, spent: amount });
      await gateway.quotas.lease(callOf(holder, 2, report));
    };
    await Promise.all(Array.from({ length: 20 }, () => spend(4)));
    const alerts = () =>
      registry.dataSource.query<{ subject: string; data: object }[]>(
        `SELECT subject, data FROM events WHERE type = 'quota.alert' ORDER BY at`,
      );
    expect(await alerts()).toMatchObject([
      {
        subject: 'quotas/shared',
        data: { quota: 'shared', client_id: null, share: 0.8, used: 80, limit: 100 },
      },
    ]);
    const [told] = (await gateway.quotas.lease(callOf(uuidv7(), 1, itemOf(quota)))).grants;
    expect(told?.alerted).toBe(0.8);
    await Promise.all([spend(7), spend(8), spend(5)]);
    expect(await alerts()).toMatchObject([{ data: { share: 0.8 } }, { data: { share: 0.95 } }]);
    const bucket = makeQuota({ name: 'b', window: 'bucket', refill_per_second: 1, alert_at: [0.5] });
    await expect(bucket).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('the explanation', () => {
  it('says how the quotas of a client stand, and which of them deny it', async () => {
    const small = await makeQuota({ name: 'small', limit: 3, client_id: 'admin' });
    await makeQuota({ name: 'tried', limit: 0, mode: 'shadow', unit: 'concurrency', window: null });
    await makeQuota({ name: 'others', limit: 0, client_id: (await registry.caller('infer')).clientId });
    const holder = uuidv7();
    const { grants } = await gateway.quotas.lease(callOf(holder, 1, itemOf(small, { need: 3 })));
    const explain = () => registry.admin.quotas.explain({ query: { client_id: 'admin' } });
    expect(await explain()).toMatchObject({
      team: 'default',
      denied_by: [],
      quotas: [
        { quota: { name: 'small' }, state: 'reserved', used: 0, reserved: 3, left: 0 },
        { quota: { name: 'tried' }, state: 'exhausted', resets_at: null },
      ],
    });
    const window = grants[0]?.window_start ?? 0;
    await gateway.quotas.lease(callOf(holder, 2, itemOf(small, { window_start: window, held: 3, spent: 3 })));
    const after = await explain();
    expect(after.denied_by).toEqual(['small']);
    expect(after.quotas[0]).toMatchObject({ state: 'exhausted', used: 3, reserved: 0 });
    expect(Date.parse(after.quotas[0]?.resets_at ?? '') % 86_400_000).toBe(0);
    const unknown = registry.admin.quotas.explain({ query: { client_id: 'nobody' } });
    await expect(unknown).rejects.toMatchObject({ code: 'CLIENT_NOT_FOUND' });
  });
});

describe('the counts of a quota', () => {
  it('say of each client how it stands, page by page, and which gateway holds what and is overdue', async () => {
    const quota = await makeQuota({ name: 'each', limit: 10, per_client: true });
    const [here, there] = [uuidv7(), uuidv7()];
    const ask = (key: string, need: number) => itemOf(quota, { key, need });
    await gateway.quotas.lease(callOf(here, 1, ask('a', 4), ask('b', 10)));
    const second = await joinGateway('two');
    const { grants } = await second.quotas.lease(callOf(there, 1, ask('a', 2)));
    const spent = { window_start: grants[0]?.window_start ?? 0, held: 2, spent: 1 };
    await second.quotas.lease(callOf(there, 2, itemOf(quota, { key: 'a', ...spent })));
    const silence = `UPDATE quota_holders SET expires_at = now() + interval '5 s' WHERE holder = $1`;
    await registry.dataSource.query(silence, [there]);
    const params = { quota_id: quota.id };
    const list = (query: { page_size?: number; page_token?: string }) =>
      registry.admin.quotas.counts({ params, query });
    const first = await list({ page_size: 1 });
    expect(first.items).toMatchObject([
      { client_id: 'a', state: 'open', limit: 10, used: 1, reserved: 5, left: 4, override_until: null },
    ]);
    const leases = (first.items[0]?.leases ?? []).sort((a, b) => b.held - a.held);
    expect(leases).toMatchObject([
      { held: 4, overdue: false },
      { held: 1, overdue: true },
    ]);
    expect(new Set(leases.map((lease) => lease.gateway)).size).toBe(2);
    const rest = await list({ page_size: 1, page_token: first.next_page_token ?? '' });
    expect(rest.items).toMatchObject([{ client_id: 'b', state: 'reserved', used: 0, reserved: 10, left: 0 }]);
    expect(rest.next_page_token).toBeUndefined();
    const gone = registry.admin.quotas.counts({ params: { quota_id: uuidv7() } });
    await expect(gone).rejects.toMatchObject({ code: 'QUOTA_NOT_FOUND' });
  });
});

/** A gateway's own admission and link, without the HTTP server around them. */
async function startSpender(quotas: readonly Quota[], name: string) {
  const client = await joinGateway(name);
  const book = new QuotaBook();
  book.replace(quotas);
  const desk = new LeaseDesk(book);
  const link = new LeaseLink(desk, {
    call: (body, signal) => client.quotas.lease({ body, signal }),
    holdMs: 1_000,
    logger: createLogger('gateway', 'silent'),
  });
  link.start();
  return {
    async ask(caller: string): Promise<boolean> {
      const cells = book.cellsFor('iris', caller, undefined);
      const atMs = performance.now();
      const admission = await desk.admit(cells, oneRequest, atMs);
      if (isDenial(admission)) return false;
      settleAll(admission, oneRequest, oneRequest, performance.now());
      return true;
    },
    close: () => link.close(),
    desk,
  };
}

describe('several gateways at once', () => {
  it('admit exactly the limit of each quota together', async () => {
    const quotas = [
      await makeQuota({ limit: 400 }),
      await makeQuota({ name: 'each', limit: 150, per_client: true }),
      await makeQuota({ name: 'month', window: 'month', limit: 100_000 }),
    ];
    const spenders = await Promise.all(['a', 'b', 'c'].map((name) => startSpender(quotas, name)));
    const admitted = new Map<string, number>();
    const callers = ['ann', 'bob', 'cem', 'dag'];
    for (let round = 0; round < 8; round += 1)
      await Promise.all(
        spenders.flatMap((spender) =>
          callers.flatMap((caller) =>
            Array.from({ length: 10 }, async () => {
              if (await spender.ask(caller)) admitted.set(caller, (admitted.get(caller) ?? 0) + 1);
            }),
          ),
        ),
      );
    // The last tokens may lie with a gateway that has nobody to spend them: it gives them back when it leaves.
    for (const spender of spenders) await spender.close();
    const last = await startSpender(quotas, 'd');
    for (let i = 0; i < 200; i += 1)
      for (const caller of callers)
        if (await last.ask(caller)) admitted.set(caller, (admitted.get(caller) ?? 0) + 1);
    await last.close();
    expect([...admitted.values()].reduce((sum, count) => sum + count, 0)).toBe(400);
    for (const count of admitted.values()) expect(count).toBeLessThanOrEqual(150);
    const rows = await registry.dataSource.query<{ used: string; leases: object }[]>(
      'SELECT used, leases FROM quota_windows WHERE quota_id = $1',
      [quotas[0]?.id],
    );
    expect(rows).toEqual([{ used: '400', leases: {} }]);
  });
});
