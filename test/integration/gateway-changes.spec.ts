/** Weights, aliases and replicas change all the time under load: no request may fail because of it. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeSnapshot,
  makeToken,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';

afterEach(cleanUp);

const changes = 60;
const callers = 8;

describe('changes under load', () => {
  it('fail no request', async () => {
    const registry = await TestRegistry.start();
    const gateway = await startTestGateway(registry.url);
    const nodes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => TestNode.start(name)));
    const rows = nodes.map((node) => node.replica);
    /** Each revision has other weights, another champion, and other replicas; version 2 has none in every fifth. */
    const change = (revision: number): Promise<void> =>
      publish(
        registry,
        gateway,
        makeSnapshot({
          keys: registry.keys,
          revision,
          versions: {
            1: rows.slice(revision % 3, (revision % 3) + 2),
            2: revision % 5 === 0 ? [] : rows.slice(0, 1 + (revision % 4)),
          },
          aliases: { champion: revision % 5 === 0 ? 1 : 1 + (revision % 2) },
          traffic: {
            rules: [{ header: 'x-beta', value: 'yes', version: 'champion' }],
            split: [
              { version: 1, weight: 1 + (revision % 100) },
              { version: 2, weight: 100 - (revision % 100) },
            ],
            sticky: { by: 'header', name: 'x-user' },
          },
        }),
      );
    await change(1);
    const authorization = `Bearer ${await makeToken(registry.keys)}`;
    const outcomes = new Map<string, number>();
    let over = false;
    const call = async (user: number): Promise<void> => {
      for (let i = 0; !over; i++) {
        const pin = i % 4 === 0 ? '/versions/champion' : '';
        const response = await fetch(`${gateway.url}/v2/models/iris${pin}/infer`, {
          method: 'POST',
          body: '{}',
          headers: { authorization, 'x-user': `${user}-${i % 50}`, 'x-beta': i % 7 === 0 ? 'yes' : 'no' },
        });
        await response.arrayBuffer();
        const code = response.headers.get('x-sluice-code') ?? '';
        const what = `${response.status} version ${response.headers.get('x-sluice-version')} ${code}`.trim();
        outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
      }
    };
    const load = Array.from({ length: callers }, (_, user) => call(user));
    for (let revision = 2; revision <= changes; revision++) await change(revision);
    over = true;
    await Promise.all(load);
    expect([...outcomes.keys()].sort()).toEqual(['200 version 1', '200 version 2']);
  });
});

describe('a request whose version loses its last replica', () => {
  /** All traffic goes to version 2 first; from the second revision on, half of it to version 1. */
  async function stage(settings: Parameters<typeof startTestGateway>[1] = {}) {
    const registry = await TestRegistry.start();
    const gateway = await startTestGateway(registry.url, settings);
    const [old, fresh] = await Promise.all([TestNode.start('old'), TestNode.start('fresh')]);
    const show = (revision: number, replicas: Record<number, TestNode[]>): Promise<void> => {
      const { keys } = registry;
      const versions = Object.fromEntries(
        Object.entries(replicas).map(([version, nodes]) => [version, nodes.map(({ replica }) => replica)]),
      );
      const split = [
        { version: 1, weight: revision === 1 ? 0 : 1 },
        { version: 2, weight: 1 },
      ];
      return publish(registry, gateway, makeSnapshot({ keys, revision, versions, traffic: { split } }));
    };
    await show(1, { 1: [old], 2: [fresh] });
    return { gateway, old, fresh, show, authorization: `Bearer ${await makeToken(registry.keys)}` };
  }

  const versionOf = async (answer: Promise<Response>): Promise<string> =>
    (await answer).headers.get('x-sluice-version') ?? '';

  it.each([
    ['stays without one', { 2: [] }],
    ['is gone with it', {}],
  ])('while its body comes in is answered by another, when the version %s', async (_, left) => {
    const { gateway, old, show, authorization } = await stage();
    let more: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        more = controller;
        controller.enqueue(Buffer.from('{'));
      },
    });
    const answer = fetch(`${gateway.url}/v2/models/iris/infer`, {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { authorization },
    });
    await until(() => gateway.core.inFlight === 1, 'the head has arrived');
    await show(2, { 1: [old], ...left });
    more?.enqueue(Buffer.from('}'));
    more?.close();
    expect([(await answer).status, await versionOf(answer)]).toEqual([200, '1']);
    expect(old.seen.map((seen) => seen.body.toString())).toEqual(['{}']);
  });

  it('while it waits for room is answered by another at once; one that insists is told', async () => {
    const { gateway, fresh, old, show, authorization } = await stage({
      SLUICE_GATEWAY_NODE_CONNECTIONS: 1,
      SLUICE_GATEWAY_MAX_WAIT_MS: 60_000,
    });
    let finish: (() => void) | undefined;
    fresh.respond = (_, res) => (finish = () => void res.end('{}'));
    const infer = (pin = ''): Promise<Response> =>
      fetch(`${gateway.url}/v2/models/iris${pin}/infer`, {
        method: 'POST',
        body: '{}',
        headers: { authorization },
      });
    const first = infer();
    await until(() => finish !== undefined, 'one is at the node');
    const [waiting, insisting] = [infer(), infer('/versions/2')];
    await until(() => gateway.core.upstreams.waiting === 2, 'two wait');
    await show(2, { 1: [old], 2: [] });
    expect([(await waiting).status, await versionOf(waiting)]).toEqual([200, '1']);
    expect([(await insisting).status, (await insisting).headers.get('x-sluice-code')]).toEqual([
      503,
      'NO_READY_REPLICA',
    ]);
    finish?.();
    expect([(await first).status, await versionOf(first)]).toEqual([200, '2']);
  });
});
