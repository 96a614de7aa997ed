import { followEvents as watch } from '#client/follow-events';
import { Transactions } from '#database/transactions';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EventFeed } from '../../apps/registry/src/events/event-feed.js';
import { EventRetention } from '../../apps/registry/src/events/event-retention.js';
import { followEvents } from '../support/events.js';
import type { FollowedEvents } from '../support/events.js';
import { joinNode, report } from '../support/nodes.js';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { newModel, newVersion } from '../support/versions.js';

let registry: TestRegistry;
let other: TestRegistry;
const open: FollowedEvents[] = [];

beforeAll(async () => {
  registry = await startRegistry({ SLUICE_LEASE_MS: '2000' });
  other = await openRegistry(registry.databaseUrl, {
    SLUICE_ARTIFACTS_DIR: registry.config.SLUICE_ARTIFACTS_DIR,
    SLUICE_LEASE_MS: '2000',
  });
});
afterEach(() => {
  for (const events of open.splice(0)) events.stop();
});
afterAll(async () => {
  await other.close();
  await registry.close();
});

async function follow(
  at: TestRegistry = registry,
  options: Parameters<typeof followEvents>[2] & { token?: string } = {},
): Promise<FollowedEvents> {
  const events = await followEvents(at.url, options.token ?? registry.adminToken, options);
  open.push(events);
  return events;
}

describe('the event stream', () => {
  it('tells at either registry what changed at one of them, with who did it', async () => {
    const [here, there] = [await follow(), await follow(other)];
    const model = await newModel(registry);
    await newVersion(registry, model);
    await registry.admin.aliases.set({ params: { model, alias: 'champion' }, body: { version: 1 } });
    for (const events of [here, there]) {
      const last = await events.until(({ type }) => type === 'alias.set');
      expect(last).toMatchObject({ subject: `models/${model}/aliases/champion`, actor: 'client:admin' });
      expect(last.data).toMatchObject({ alias: 'champion', version: 1 });
      const types = events.changes.map(({ type }) => type);
      expect(types).toEqual(['endpoint.create', 'model.create', 'version.create', 'alias.set']);
    }
    expect(here.changes).toEqual(there.changes);
  });

  it('resumes after the last event that was read, at another registry', async () => {
    const events = await follow();
    await newModel(registry);
    await events.until(({ type }) => type === 'model.create');
    events.stop();
    const missed = await newModel(registry);
    const resumed = await follow(other, { lastEventId: events.lastEventId() });
    const next = await resumed.until(({ type }) => type === 'model.create');
    expect(next.subject).toBe(`models/${missed}`);
    expect(resumed.changes.map(({ type }) => type)).toEqual(['endpoint.create', 'model.create']);
    const again = await follow(registry, { query: `?after=${next.number - 1}` });
    expect(await again.until(() => true)).toEqual(next);
  });

  it('shows a reader only what its scopes let it read, and what it asked for', async () => {
    const { token } = await registry.caller('models:read');
    const models = await follow(registry, { token });
    const asked = await follow(registry, { query: '?types=version,alias.delete&subject_prefix=models/' });
    await registry.caller('infer');
    const model = await newModel(registry);
    await newVersion(registry, model);
    await asked.until(({ type }) => type === 'version.create');
    await models.until(({ type }) => type === 'version.create');
    expect(models.changes.map(({ type }) => type)).toEqual(['model.create', 'version.create']);
    expect(asked.changes.map(({ type }) => type)).toEqual(['version.create']);
    // What it does not see still moves the place from which it resumes.
    await registry.caller('infer');
    const all = await follow(registry, { query: `?after=${asked.changes[0]?.number ?? 0}` });
    const hidden = await all.until(({ type }) => type === 'client.create');
    await expect.poll(() => Number(asked.lastEventId())).toBeGreaterThanOrEqual(hidden.number);
    expect(asked.changes).toHaveLength(1);
  });

  it('says so when what comes after the asked place is no longer kept, or never was', async () => {
    await newModel(registry);
    await follow();
    await registry.dataSource.query('DELETE FROM events WHERE number < (SELECT max(number) FROM events)');
    for (const lastEventId of ['1', '999999999']) {
      const events = await follow(registry, { lastEventId });
      await expect.poll(() => events.others).toEqual(['reset']);
      await newModel(registry);
      await events.until(({ type }) => type === 'model.create');
    }
    await expect(follow(registry, { lastEventId: 'x' })).rejects.toThrow('400');
    await expect(follow(registry, { query: '?types=A' })).rejects.toThrow('400');
  });

  it('tells of what no one asked for: nodes that come and go, versions that become READY', async () => {
    const node = await joinNode(registry, 'told');
    const model = await newModel(registry);
    const version = await newVersion(registry, model);
    const events = await follow();
    await registry.dataSource.query(
      `INSERT INTO replicas (node_id, version_id, config_revision, state, updated_at) VALUES ($1, $2, 1, 'ASSIGNED', now())`,
      [node.id, version.id],
    );
    await node.renew([report(version.id, 'READY')]);
    expect(await events.until(({ type }) => type === 'version.ready')).toMatchObject({
      subject: `models/${model}/versions/1`,
      data: { id: version.id, model, version: 1 },
    });
    expect(await events.until(({ type }) => type === 'node.replicas')).toMatchObject({
      subject: `nodes/${node.id}`,
      data: { changed: [{ version_id: version.id, state: 'READY', reason: null }], gone: [] },
    });
    await registry.dataSource.query(`UPDATE nodes SET lease_expires_at = now() - interval '1 hour'`);
    await events.until(({ type }) => type === 'node.lost');
  });

  it('loses none of many changes that commit in any order, and repeats none', async () => {
    const readers = [await follow(), await follow(other)];
    const [one, two] = [registry.app.get(Transactions), other.app.get(Transactions)];
    const count = 300;
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        (index % 2 === 0 ? one : two).write({ subject: 'test', requestId: undefined }, async (tx) => {
          await tx.event({ type: 'test.happened', subject: `tests/${index}` });
          // Transactions commit in another order than they began in.
          await tx.manager.query('SELECT pg_sleep($1)', [((index * 7) % 13) / 1_000]);
        }),
      ),
    );
    for (const reader of readers) {
      await expect.poll(() => reader.changes.length, { timeout: 10_000 }).toBe(count);
      const numbers = reader.changes.map(({ number }) => number);
      expect(numbers).toEqual(numbers.toSorted((one, next) => one - next));
      expect(new Set(reader.changes.map(({ subject }) => subject)).size).toBe(count);
    }
    expect(readers[0]?.changes).toEqual(readers[1]?.changes);
  });

  it('forgets what is old, but not what a webhook waits for, and says so to who comes back too late', async () => {
    const retention = new EventRetention(registry.dataSource, registry.config);
    const first = await registry.app.get(EventFeed).now();
    await newModel(registry);
    const last = await registry.app.get(EventFeed).now();
    await registry.dataSource.query(`UPDATE events SET at = now() - interval '31 days'`);
    const body = { name: 'slow', url: 'https://example.com/', types: ['model'] };
    await registry.admin.webhooks.create({ body });
    await registry.dataSource.query('UPDATE webhooks SET place = $1', [first]);
    const kept = async (): Promise<number[]> => {
      const rows = await registry.dataSource.query<{ number: string }[]>(
        'SELECT number FROM events WHERE number <= $1 ORDER BY number',
        [last],
      );
      return rows.map(({ number }) => Number(number));
    };
    await retention.run();
    expect(await kept()).toEqual(Array.from({ length: last - first }, (_, index) => first + 1 + index));
    await registry.admin.webhooks.remove({ params: { webhook: 'slow' } });
    await registry.app.get(EventFeed).now();
    await retention.run();
    expect(await kept()).toEqual([]);
    const late = await follow(other, { query: `?after=${first}` });
    await expect.poll(() => late.others).toEqual(['reset']);
  });

  it('is watched by the client library until the caller ends it, or the registry refuses', async () => {
    const after = await registry.app.get(EventFeed).now();
    const model = await newModel(registry);
    const end = new AbortController();
    const options = { baseUrl: registry.url, token: () => registry.adminToken };
    const seen: string[] = [];
    for await (const one of watch(options, { types: 'model', after }, end.signal)) {
      seen.push(one.kind === 'change' ? one.change.subject : one.kind);
      end.abort();
    }
    expect(seen).toEqual([`models/${model}`]);
    const late = watch(options, { after: Number.MAX_SAFE_INTEGER }, new AbortController().signal);
    expect(await late.next()).toEqual({ done: false, value: { kind: 'reset' } });
    await late.return(undefined);
    const stranger = watch({ ...options, token: () => 'nobody' }, {}, new AbortController().signal);
    await expect(stranger.next()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('ends when its registry does', async () => {
    const brief = await openRegistry(registry.databaseUrl, {
      SLUICE_ARTIFACTS_DIR: registry.config.SLUICE_ARTIFACTS_DIR,
    });
    const events = await follow(brief);
    await brief.close();
    await events.ended;
  });
});
