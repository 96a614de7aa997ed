import { describe, expect, it } from 'vitest';
import { loadStandaloneConfig } from './config.js';

const load = (args: readonly string[], variables: Record<string, string> = {}) =>
  loadStandaloneConfig(args, (extra) => ({ ...variables, ...extra }));

describe('loadStandaloneConfig', () => {
  it('has defaults for everything', () => {
    expect(load([])).toMatchObject({
      dataDir: './data',
      gatewayPort: 8080,
      registryPort: 8081,
      nodes: 1,
      databaseUrl: undefined,
      once: false,
    });
  });

  it('takes flags before the environment', () => {
    const variables = { SLUICE_NODES: '3', SLUICE_GATEWAY_PORT: '9000', DATABASE_URL: 'postgres://a:b@c/d' };
    const config = load(['--once', '--gateway-port', '0', '--data-dir=/x'], variables);
    expect(config).toMatchObject({
      once: true,
      gatewayPort: 0,
      nodes: 3,
      dataDir: '/x',
      databaseUrl: 'postgres://a:b@c/d',
    });
  });

  it('offers help', () => {
    expect(load(['--help'])).toBe('help');
  });

  it.each([
    [['--nodes', '0'], 'SLUICE_NODES: must be at least 1'],
    [['--gateway-port', '70000'], 'SLUICE_GATEWAY_PORT'],
    [['--bogus'], '--bogus'],
    [['surplus'], 'surplus'],
  ])('refuses %j', (args, text) => {
    expect(() => load(args)).toThrow(text);
  });
});
