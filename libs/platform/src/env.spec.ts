import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, booleanSetting, loadEnv, portSetting, secretSetting } from './env.js';

const schema = z.object({
  PORT: portSetting.default(8080),
  TOKEN: secretSetting,
  FLAG: booleanSetting.default(false),
});

describe('loadEnv', () => {
  it('parses what is set and fills in what is not', () => {
    expect(loadEnv(schema, { TOKEN: '0123456789abcdef', PORT: '0', OTHER: 'x' })).toEqual({
      PORT: 0,
      TOKEN: '0123456789abcdef',
      FLAG: false,
    });
  });
  it('takes an empty variable for an absent one, as compose files write them', () => {
    expect(loadEnv(schema, { TOKEN: '0123456789abcdef', PORT: '' }).PORT).toBe(8080);
  });
  it('names every wrong variable at once, and no secret', () => {
    const load = (): unknown => loadEnv(schema, { TOKEN: 'short-secret', PORT: '70000', FLAG: 'maybe' });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/PORT: [\s\S]*TOKEN: [\s\S]*FLAG: /);
    expect(load).not.toThrow(/short-secret/);
  });
});
