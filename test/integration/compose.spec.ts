/** docker-compose.yml cannot be run everywhere, so what can be read is checked: variables, ports, health paths, secrets. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { GatewaySettings } from '../../apps/gateway/src/config.js';
import { NodeSettings } from '../../apps/node/src/config.js';
import { RegistrySettings } from '../../apps/registry/src/config.js';

const Service = z.object({
  command: z.array(z.string()).optional(),
  build: z.object({ target: z.string() }).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  read_only: z.boolean().default(false),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
});
const Compose = z.object({
  services: z.record(z.string(), Service),
  volumes: z.record(z.string(), z.unknown()),
});

const text = readFileSync(join(packageRoot, 'docker-compose.yml'), 'utf8');
const compose = Compose.parse(parse(text, { merge: true }));
const dockerfile = readFileSync(join(packageRoot, 'Dockerfile'), 'utf8');
const programs = Object.entries(compose.services).filter(([name]) => name !== 'postgres');

const settings: Record<string, z.ZodObject> = {
  registry: RegistrySettings,
  gateway: GatewaySettings,
  node: NodeSettings,
};
const schemaOf = (service: z.infer<typeof Service>): z.ZodObject => {
  const schema = settings[service.build?.target ?? ''];
  if (!schema) throw new Error(`no settings for target ${service.build?.target}`);
  return schema;
};

/** Puts a secret where compose would, as long as those of deploy/make-env.sh. */
const substituted = (value: string): string =>
  value.replace(/\$\{\w+(:\?[^}]*)?\}/g, '0123456789abcdef'.repeat(4));

describe('docker-compose.yml', () => {
  it('has PostgreSQL, registry (API and worker), gateway and two nodes', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      ['gateway', 'migrate', 'node-1', 'node-2', 'postgres', 'registry', 'worker'].sort(),
    );
  });

  it.each(programs)(
    '%s sets only variables that its program reads, with values that it takes',
    (_, service) => {
      const schema = schemaOf(service);
      expect(Object.keys(schema.shape)).toEqual(expect.arrayContaining(Object.keys(service.environment)));
      for (const [name, value] of Object.entries(service.environment)) {
        const field = schema.shape[name] as z.ZodType;
        expect(field.safeParse(substituted(value)), name).toMatchObject({ success: true });
      }
    },
  );

  it.each(programs)(
    '%s runs without write access to its image, and its target is in the Dockerfile',
    (_, service) => {
      expect(service.read_only).toBe(true);
      expect(dockerfile).toMatch(new RegExp(`^FROM runtime AS ${service.build?.target}$`, 'm'));
      expect(dockerfile).toMatch(/^USER node$/m);
      for (const volume of service.volumes)
        expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
    },
  );

  it('asks for health on the ports that the programs are told, at paths that they serve', () => {
    const health = (name: string): string => compose.services[name]?.healthcheck?.test.join(' ') ?? '';
    const port = (name: string, variable: string): string =>
      compose.services[name]?.environment[variable] ?? '';
    expect(health('registry')).toContain(
      `127.0.0.1:${port('registry', 'SLUICE_REGISTRY_PORT')}/health/ready`,
    );
    expect(health('gateway')).toContain(
      `127.0.0.1:${port('gateway', 'SLUICE_GATEWAY_PORT')}/v2/health/ready`,
    );
    for (const node of ['node-1', 'node-2']) {
      expect(health(node)).toContain(`127.0.0.1:${port(node, 'SLUICE_NODE_PORT')}/v2/health/ready`);
      expect(port(node, 'SLUICE_NODE_ADDRESS')).toBe(`http://${node}:${port(node, 'SLUICE_NODE_PORT')}`);
    }
    expect(compose.services['gateway']?.ports).toEqual([
      `127.0.0.1:8080:${port('gateway', 'SLUICE_GATEWAY_PORT')}`,
    ]);
  });

  it('gets every secret from the file that deploy/make-env.sh writes', () => {
    const made = execFileSync('sh', [join(packageRoot, 'deploy/make-env.sh')], { encoding: 'utf8' });
    const names = [...made.matchAll(/^(\w+)=([0-9a-f]{64})$/gm)].map((match) => match[1]);
    const needed = new Set([...text.matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]));
    expect(new Set(names)).toEqual(needed);
    const example = readFileSync(join(packageRoot, '.env.example'), 'utf8');
    expect(new Set([...example.matchAll(/^(\w+)=/gm)].map((match) => match[1]))).toEqual(needed);
  });
});
