/** Two registries and two workers on one PostgreSQL, behind a balancer that sends each request to the next of them. */
import { createClient } from '#client/client';
import type { ClientOptions, SluiceClient } from '#client/client';
import { clientCredentials } from '#client/credentials';
import { followEvents } from '#client/follow-events';
import { uploadVersion } from '#client/upload';
import type { ChangeEvent } from '#contracts/events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBalancer } from '../support/balancer.js';
import type { Balancer } from '../support/balancer.js';
import { TusSender } from '../support/big-upload.js';
import { irisFile, irisRequest } from '../support/iris.js';
import { outcomeOf } from '../support/load.js';
import { eventually } from '../support/platform.js';
import { createDatabase, startServer } from '../support/postgres.js';
import { runProgram, startProgram } from '../support/program.js';
import type { Program } from '../support/program.js';
import { startReceiver } from '../support/receiver.js';
import type { Receiver } from '../support/receiver.js';

const secrets = {
  SLUICE_NODE_JOIN_TOKEN: 'node-join-token-of-the-tests',
  SLUICE_GATEWAY_JOIN_TOKEN: 'gateway-join-token-of-the-tests',
};
const adminSecret = 'admin-secret-of-the-tests';
const model = 'shared';

let postgres: Awaited<ReturnType<typeof startServer>>;
let database: Client;
let settings: Record<string, string>;
let folder: string;
let balancer: Balancer;
let registries: Program[];
let others: Program[] = [];
let gateway: Program;
let receiver: Receiver;
let admin: SluiceClient;
let adminOptions: ClientOptions;
let token: () => Promise<string>;

const startRegistry = () => startProgram('registry/src/main', settings);
const balance = () => balancer.setServers(registries.map(({ url }) => url));

beforeAll(async () => {
  [postgres, folder, balancer, receiver] = await Promise.all([
    startServer(),
    mkdtemp(join(tmpdir(), 'sluice-two-')),
    startBalancer(),
    startReceiver(),
  ]);
  const { url } = await createDatabase(postgres.url);
  database = new Client({ connectionString: url });
  await database.connect();
  settings = {
    ...secrets,
    DATABASE_URL: url,
    SLUICE_REGISTRY_PORT: '0',
    SLUICE_ARTIFACTS_DIR: join(folder, 'artifacts'),
    SLUICE_ADMIN_CLIENT_SECRET: adminSecret,
    SLUICE_WEBHOOK_PRIVATE_ADDRESSES: 'true',
  };
  await Promise.all([
    runProgram('registry/src/migrate', settings),
    runProgram('registry/src/migrate', settings),
  ]);
  registries = await Promise.all([startRegistry(), startRegistry()]);
  balance();
  const shared = { ...secrets, SLUICE_REGISTRY_URL: balancer.url };
  const nodes = ['a', 'b'].map((name) =>
    startProgram('node/src/main', {
      ...shared,
      SLUICE_NODE_NAME: name,
      SLUICE_NODE_PORT: '0',
      SLUICE_NODE_DATA_DIR: join(folder, name),
    }),
  );
  gateway = await startProgram('gateway/src/main', {
    ...shared,
    SLUICE_GATEWAY_PORT: '0',
    SLUICE_GATEWAY_ADMIN_PORT: '0',
    SLUICE_GATEWAY_DATA_DIR: join(folder, 'gateway'),
  });
  const workers = [
    startProgram('registry/src/worker', settings),
    startProgram('registry/src/worker', settings),
  ];
  others = await Promise.all([...workers, ...nodes]);
  token = clientCredentials({ baseUrl: balancer.url, clientId: 'admin', clientSecret: adminSecret });
  adminOptions = { baseUrl: balancer.url, token };
  admin = createClient(adminOptions);
});
afterAll(async () => {
  for (const program of [gateway, ...others, ...registries]) await program.end();
  await database.end();
  await Promise.all([postgres.stop(), balancer.close(), receiver.close()]);
  await rm(folder, { recursive: true, force: true });
});

const predict = async () =>
  outcomeOf(
    await fetch(`${gateway.url}/v2/models/${model}/infer`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
      body: JSON.stringify(irisRequest),
    }),
  );

const becomesReady = (version: number): Promise<true> =>
  eventually(async () => {
    const { status } = await admin.versions.read({ params: { model, version: String(version) } });
    return status === 'READY' || undefined;
  }, `version ${version} is READY`);

/** The routing table as a registry gives it out, less the moment at which it was asked. */
async function snapshotOf({ url }: Program): Promise<unknown> {
  const { credential } = await createClient({
    baseUrl: url,
    token: () => secrets.SLUICE_GATEWAY_JOIN_TOKEN,
  }).gateways.register({ body: { name: 'reader', program_version: '0.1.0' } });
  return createClient({ baseUrl: url, token: () => credential }).gateways.snapshot({});
}

describe('two registries', () => {
  it('are one to their clients: what was written through one is read through the other at once', async () => {
    await admin.models.create({ body: { name: model } });
    const version = await uploadVersion(adminOptions, model, [{ path: 'model.onnx', source: irisFile(1) }]);
    // The balancer alternates, so two reads are one from each.
    const read = () => admin.versions.read({ params: { model, version: '1' } });
    expect([(await read()).id, (await read()).id]).toEqual([version.id, version.id]);
    await becomesReady(1);
    await admin.endpoints.setTraffic({
      params: { endpoint: model },
      body: { split: [{ version: 1, weight: 1 }] },
      headers: { 'if-match': '"1"' },
    });
    await eventually(async () => (await predict()) === 'version 1' || undefined, 'the gateway serves it');
  });

  it('publish the same routing table', async () => {
    await eventually(async () => {
      const [one, other] = await Promise.all(registries.map(snapshotOf));
      expect(one).toEqual(other);
      return true;
    }, 'the snapshots agree');
  });

  it('place each replica once, and run each job once', async () => {
    await admin.webhooks.create({ body: { name: 'all', url: receiver.url, types: ['model'] } });
    const names = Array.from({ length: 12 }, (_, index) => `placed-${index}`);
    await Promise.all(names.map((name) => admin.models.create({ body: { name } })));
    await uploadVersion(adminOptions, model, [{ path: 'model.onnx', source: irisFile(2) }]);
    await becomesReady(2);
    await receiver.untilReceived(names.length);
    const events = receiver.received.map(({ body }) => JSON.parse(body) as ChangeEvent);
    expect(events.map(({ subject }) => subject).toSorted()).toEqual(
      names.map((name) => `models/${name}`).toSorted(),
    );
    // The version with traffic is wanted on both nodes, the other one where it was checked.
    const rows = await eventually(async () => {
      const { rows: found } = await database.query<{ number: number; count: string }>(
        `SELECT v.number, count(*) FROM replicas r JOIN versions v ON v.id = r.version_id WHERE r.wanted
         GROUP BY v.number ORDER BY v.number`,
      );
      return found[0]?.count === '2' ? found : undefined;
    }, 'both nodes hold version 1');
    expect(rows).toEqual([
      { number: 1, count: '2' },
      { number: 2, count: '1' },
    ]);
  });

  it('keep nothing of a caller to themselves: uploads and sessions go on at the other one', async () => {
    const sender = new TusSender(balancer.url, token);
    const bytes = Buffer.from(await readFile(irisFile(1)));
    const upload_id = (await sender.sendBytes(bytes)).split('/').at(-1) ?? '';
    const uploads = [{ path: 'model.onnx', upload_id }];
    const commit = () => admin.uploads.commit({ params: { model: 'placed-0' }, body: { uploads } });
    expect([(await commit()).version, (await commit()).version]).toEqual([1, 1]);

    const [one, other] = registries.map(({ url }) => url);
    const body = { login: 'ada', password: 'a password of the tests' };
    await admin.people.create({ body: { ...body, roles: [{ team: null, role: 'viewer' }] } });
    const at = (baseUrl: string | undefined, bearer?: string) =>
      createClient({ baseUrl: baseUrl ?? '', ...(bearer === undefined ? {} : { token: () => bearer }) });
    const session = await at(one).sessions.begin({ body });
    const refreshed = await at(other).auth.token({
      body: { grant_type: 'refresh_token', refresh_token: session.refresh_token },
    });
    expect((await at(one, refreshed.access_token).models.list()).items).not.toEqual([]);
    await at(other, refreshed.access_token).sessions.end();
    await eventually(async () => {
      const outcome = await at(one, refreshed.access_token)
        .models.list()
        .catch((error: unknown) => error);
      return (outcome as { status?: number }).status === 401 || undefined;
    }, 'signed out at both');
  });

  it('lose nothing when one of them is killed, and take it back', async () => {
    const watch = new AbortController();
    const changes: ChangeEvent[] = [];
    const watching = (async () => {
      for await (const one of followEvents(adminOptions, { types: 'model,alias' }, watch.signal))
        if (one.kind === 'change') changes.push(one.change);
    })();
    // It follows once it has seen a change.
    let marks = 0;
    await eventually(async () => {
      marks += 1;
      await admin.models.create({ body: { name: `mark-${marks}` } });
      return changes.length > 0 || undefined;
    }, 'the watcher follows');
    const [first, second] = registries;
    if (!first || !second) throw new Error('there are two registries');
    await first.end('SIGKILL');
    registries = [second];
    // The balancer still knows both: it finds out by a refused connection.
    for (let index = 0; index < 6; index += 1)
      await admin.models.update({ params: { model }, body: { description: `change ${index}` } });
    expect(await Promise.all(Array.from({ length: 8 }, predict))).toEqual(
      Array.from({ length: 8 }, () => 'version 1'),
    );
    registries = [second, await startRegistry()];
    balance();
    const described = (): string[] =>
      changes.flatMap(({ type, data }) =>
        type === 'model.update' ? [(data as { description: string }).description] : [],
      );
    await eventually(async () => described().length >= 6 || undefined, 'every change is told');
    watch.abort();
    await watching;
    expect(described()).toEqual(Array.from({ length: 6 }, (_, index) => `change ${index}`));
    await admin.endpoints.setTraffic({
      params: { endpoint: model },
      body: { split: [{ version: 2, weight: 1 }] },
      headers: { 'if-match': '"2"' },
    });
    await eventually(
      async () => (await predict()) === 'version 2' || undefined,
      'the change reaches the gateway',
    );
  });
});
