/** The ways through the gateway, in one shape: what is proxied must meet the same hazards on each. */
import type { Socket } from 'node:net';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestRegistry,
  joinToken,
  makeSnapshot,
  makeToken,
  publish,
  startTestGateway,
} from './gateway-harness.js';
import { RawUpstream } from './raw-upstream.js';

export const wayNames = ['inference', 'inference without the fast lane', 'pass-through'] as const;
export type WayName = (typeof wayNames)[number];

export interface Way {
  readonly gateway: Gateway;
  /** Where requests end: a node, or the registry. */
  readonly upstream: RawUpstream;
  /** The head of a request; `fields` are whole lines. */
  head(fields: string, method?: string, version?: string): string;
  /** How the caller learns that the upstream failed before it answered. */
  readonly failed: RegExp;
}

type Settings = NonNullable<Parameters<typeof startTestGateway>[1]>;

/** Starts a gateway, and one raw upstream at the end of the way. */
export async function openWay(name: WayName, settings: Settings = {}): Promise<Way> {
  const registry = await TestRegistry.start();
  const isPassthrough = name === 'pass-through';
  const own = (socket: Socket, first: Buffer): boolean => {
    if (!isPassthrough || !isOfGateway(first)) return false;
    socket.unshift(first);
    registry.server.emit('connection', socket);
    process.nextTick(() => socket.resume());
    return true;
  };
  const upstream = await RawUpstream.start(own);
  const gateway = await startTestGateway(isPassthrough ? upstream.url : registry.url, {
    SLUICE_GATEWAY_FAST_LANE: name === 'inference without the fast lane' ? 'false' : 'true',
    ...settings,
  });
  const versions = isPassthrough ? {} : { 1: [upstream.replica] };
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions, timeoutMs: 30_000 }));
  const bearer = await makeToken(registry.keys);
  const pathOf = (method: string): string => {
    if (isPassthrough) return '/api/v1/models/iris';
    return method === 'GET' ? '/v2/models/iris' : '/v2/models/iris/infer';
  };
  return {
    gateway,
    upstream,
    head: (fields, method = 'POST', version = '1.1') =>
      `${method} ${pathOf(method)} HTTP/${version}\r\nhost: sluice\r\nauthorization: Bearer ${bearer}\r\n${fields}\r\n`,
    failed: isPassthrough ? /^HTTP\/1\.1 503 / : /^HTTP\/1\.1 502 /,
  };
}

/** The gateway's own calls to the registry share the address with what passes through. */
function isOfGateway(firstBytes: Buffer): boolean {
  const text = firstBytes.toString('latin1');
  return text.includes('gateway-credential') || text.includes(joinToken);
}
