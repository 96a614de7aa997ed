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
        const what = `${response.status} version ${response.headers.get('x-sluice-version')}`;
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
