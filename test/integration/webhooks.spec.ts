import type { ChangeEvent } from '#contracts/events';
import type { CreateWebhook } from '#contracts/webhooks';
import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { z } from 'zod';
import { joinNode } from '../support/nodes.js';
import { startReceiver } from '../support/receiver.js';
import type { Received, Receiver } from '../support/receiver.js';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { newModel, newReadyVersion, newVersion } from '../support/versions.js';
import { startWorker } from '../support/worker.js';

const masterKey = 'a master key of the webhook tests';
let registry: TestRegistry;
let worker: { close: () => Promise<void> };
let receiver: Receiver;

beforeAll(async () => {
  registry = await startRegistry({
    SLUICE_WEBHOOK_PRIVATE_ADDRESSES: 'true',
    SLUICE_MASTER_KEY: masterKey,
  });
  worker = await startWorker(registry.config);
});
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  await registry.dataSource.query('DELETE FROM webhooks');
  await receiver.close();
});
afterAll(async () => {
  await worker.close();
  await registry.close();
});

const create = (input: Partial<z.input<typeof CreateWebhook>> = {}) =>
  registry.admin.webhooks.create({
    body: { name: 'hook', url: receiver.url, types: ['version', 'alias'], ...input },
  });
const params = { webhook: 'hook' };
const patience = { timeout: 20_000, interval: 100 };
const eventOf = ({ body }: Received): ChangeEvent => JSON.parse(body) as ChangeEvent;
const deliveries = async () => (await registry.admin.webhooks.deliveries({ params })).items;

/** Makes what failed due at once instead of after its wait. */
const waitOver = () =>
  registry.dataSource.query(`UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'PENDING'`);

function isSignedWith(secret: string, { headers, body }: Received): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = headers;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const expected = createHmac('sha256', key)
    .update(`${String(id)}.${String(at)}.${body}`)
    .digest('base64');
  return signature === `v1,${expected}`;
}

describe('a webhook', () => {
  it('is sent the events it asked for, signed, and keeps a log of them', async () => {
    const model = await newModel(registry);
    const other = await newModel(registry);
    const { secret } = await create({ subject_prefix: `models/${model}/` });
    await newVersion(registry, other);
    await newVersion(registry, model);
    await registry.admin.aliases.set({ params: { model, alias: 'best' }, body: { version: 1 } });
    await receiver.untilReceived(2);
    const events = receiver.received.map(eventOf);
    expect(events.map(({ type }) => type).toSorted()).toEqual(['alias.set', 'version.create']);
    expect(events.find(({ type }) => type === 'alias.set')).toMatchObject({
      subject: `models/${model}/aliases/best`,
      actor: 'client:admin',
      data: { version: 1 },
    });
    expect(receiver.received.every((one) => isSignedWith(secret, one))).toBe(true);
    await vi.waitUntil(
      async () => (await deliveries()).every(({ state }) => state === 'DELIVERED'),
      patience,
    );
    const log = await deliveries();
    expect(log).toHaveLength(2);
    expect(log[0]).toMatchObject({ event_type: 'alias.set', attempts: 1, response_status: 200, error: null });
    expect(receiver.received.map(({ headers }) => headers['webhook-id']).toSorted()).toEqual(
      log.map(({ id }) => id).toSorted(),
    );
  });

  it('tells of versions, aliases, endpoints and nodes', async () => {
    await create({ types: ['version', 'alias', 'endpoint', 'node'] });
    const model = await newModel(registry);
    await newReadyVersion(registry, model);
    await registry.admin.aliases.set({ params: { model, alias: 'best' }, body: { version: 1 } });
    await registry.admin.endpoints.setTraffic({
      params: { endpoint: model },
      body: { split: [{ version: 'best', weight: 1 }] },
      headers: { 'if-match': '"1"' },
    });
    const node = await joinNode(registry, 'told');
    await registry.admin.nodes.drain({ params: { node_id: node.id } });
    const wanted = [
      'version.create',
      'alias.set',
      'endpoint.create',
      'endpoint.set_traffic',
      'node.register',
      'node.drain',
    ];
    const told = () => receiver.received.map((one) => eventOf(one).type);
    await vi.waitUntil(() => wanted.every((type) => told().includes(type)), patience);
  });

  it('is tried again under the same id while it fails, and can be replayed', async () => {
    await create();
    receiver.answer(500);
    await registry.admin.webhooks.test({ params });
    await receiver.untilReceived(1);
    const failed = await vi.waitUntil(
      async () => (await deliveries()).find(({ error }) => error !== null),
      patience,
    );
    expect(failed).toMatchObject({ state: 'PENDING', attempts: 1, response_status: 500 });
    expect(Date.parse(failed.next_attempt_at ?? '')).toBeGreaterThan(Date.now());
    receiver.answer(302, { location: 'http://127.0.0.1:1/' });
    await waitOver();
    await receiver.untilReceived(2);
    receiver.answer(204);
    await vi.waitUntil(async () => (await deliveries())[0]?.attempts === 2, patience);
    await vi.waitUntil(async () => {
      await waitOver();
      return (await deliveries())[0]?.state === 'DELIVERED';
    }, patience);
    const attempts = receiver.received.length;
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([failed.id]),
    );
    await registry.admin.webhooks.replay({ params: { ...params, delivery_id: failed.id } });
    await receiver.untilReceived(attempts + 1);
    const { items } = await registry.admin.audit.list({ query: { action: 'webhook.replay' } });
    expect(items).toMatchObject([
      { before: { id: failed.id, state: 'DELIVERED' }, after: { state: 'PENDING', attempts: 0 } },
    ]);
    const unknown = { ...params, delivery_id: '00000000-0000-7000-8000-000000000000' };
    await expect(registry.admin.webhooks.replay({ params: unknown })).rejects.toMatchObject({
      code: 'DELIVERY_NOT_FOUND',
    });
  });

  it('is sent nothing of the time in which it was off', async () => {
    await create({ types: ['model'] });
    await registry.admin.webhooks.update({ params, body: { enabled: false } });
    await newModel(registry);
    await registry.admin.webhooks.update({ params, body: { enabled: true } });
    const model = await newModel(registry);
    await receiver.untilReceived(1);
    expect(eventOf(receiver.received[0] ?? { headers: {}, body: '{}' }).subject).toBe(`models/${model}`);
  });

  it('signs with its newest secret, which is encrypted in the database and shown once', async () => {
    const { secret: old } = await create();
    const { secret } = await registry.admin.webhooks.rotateSecret({ params });
    expect(secret).not.toBe(old);
    const rows = await registry.dataSource.query<{ secret: string }[]>('SELECT secret FROM webhooks');
    expect(rows[0]?.secret).toMatch(/^aes-256-gcm\$/);
    expect(await registry.admin.webhooks.read({ params })).not.toHaveProperty('secret');
    await registry.admin.webhooks.test({ params });
    await receiver.untilReceived(1);
    expect(receiver.received.every((one) => isSignedWith(secret, one))).toBe(true);
    const audited = JSON.stringify(
      await registry.admin.audit.list({ query: { subject_prefix: 'webhooks/' } }),
    );
    expect([audited.includes(secret), audited.includes(old)]).toEqual([false, false]);
  });

  it('loses nothing and doubles nothing with two workers, one of which ends in the middle', async () => {
    await create({ types: ['model'] });
    const second = await startWorker(registry.config);
    const names = await Promise.all(Array.from({ length: 20 }, () => newModel(registry)));
    await receiver.untilReceived(5);
    await second.close();
    await receiver.untilReceived(20);
    await vi.waitUntil(
      async () => (await deliveries()).every(({ state }) => state === 'DELIVERED'),
      patience,
    );
    const subjects = receiver.received.map((one) => eventOf(one).subject);
    expect(subjects.toSorted()).toEqual(names.map((name) => `models/${name}`).toSorted());
  });

  it('is for those who may read its events, and its address is checked', async () => {
    const { client } = await registry.caller('webhooks:write', 'models:read');
    const body = { name: 'other', url: receiver.url, types: ['client.create'] };
    await expect(client.webhooks.create({ body })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await client.webhooks.create({ body: { ...body, types: ['model'] } })).toMatchObject({
      enabled: true,
    });
    await expect(
      client.webhooks.update({ params: { webhook: 'other' }, body: { types: ['audit'] } }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(client.webhooks.create({ body: { ...body, types: ['model'] } })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    for (const url of ['ftp://x/', 'http://user:secret@x/', 'nonsense'])
      await expect(create({ url })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await client.webhooks.remove({ params: { webhook: 'other' } });
    await expect(client.webhooks.read({ params: { webhook: 'other' } })).rejects.toMatchObject({
      code: 'WEBHOOK_NOT_FOUND',
    });
  });
});

describe('without leave to reach private networks', () => {
  it('refuses such an address when it is set, and does not connect when a name leads to one', async () => {
    const guarded = await startRegistry();
    const guardedWorker = await startWorker(guarded.config);
    try {
      const body = { name: 'hook', url: receiver.url, types: ['model'] };
      await expect(guarded.admin.webhooks.create({ body })).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
      });
      const named = receiver.url.replace('127.0.0.1', 'localhost');
      await guarded.admin.webhooks.create({ body: { ...body, url: named } });
      await guarded.admin.webhooks.test({ params });
      const failed = await vi.waitUntil(
        async () =>
          (await guarded.admin.webhooks.deliveries({ params })).items.find(({ error }) => error !== null),
        patience,
      );
      expect(failed.error).toContain('private network');
      expect(receiver.received).toEqual([]);
    } finally {
      await guardedWorker.close();
      await guarded.close();
    }
  });
});
