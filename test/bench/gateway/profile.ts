/** Where the gateway's CPU time goes: V8's sampling profile of a run under load, summed by stage and layer. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { measure } from '../processes.js';
import { table } from '../report.js';
import type { Stage } from './contenders.js';

const Profile = z.object({
  nodes: z.array(
    z.object({ id: z.int(), callFrame: z.object({ functionName: z.string(), url: z.string() }) }),
  ),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
});
type Profile = z.infer<typeof Profile>;
type Frame = Profile['nodes'][number]['callFrame'];

/** Of Node's stream handles: each is one system call. */
const socketWrites: ReadonlySet<string> = new Set([
  'writeLatin1String',
  'writeBuffer',
  'writev',
  'writeUtf8String',
]);

/** The stage or layer that a function belongs to; undefined for time in which nothing ran. */
function layerOf({ functionName, url }: Frame): string | undefined {
  if (functionName === '(idle)') return undefined;
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (functionName === '(program)') return 'system calls and libuv';
  if (socketWrites.has(functionName))
    return 'writes to sockets (on loopback the kernel also receives in them)';
  const stage = /data-plane\/((?:(?:fast|node)-lane\/)?[\w-]+)\.js$/.exec(url)?.[1];
  if (stage !== undefined) return `Sluice: ${stage}`;
  const lib = /\/libs\/(\w+)\//.exec(url)?.[1];
  if (lib !== undefined) return `Sluice: ${lib} (library)`;
  if (url.includes('/apps/gateway/')) return 'Sluice: around the data plane';
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  if (dependency !== undefined) return dependency;
  return url === '' ? 'other native functions of Node' : 'node:http, node:net, streams, timers';
}

function microsecondsByLayer({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const layers = new Map(nodes.map(({ id, callFrame }) => [id, layerOf(callFrame)]));
  const sums = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const layer = layers.get(id);
    if (layer !== undefined) sums.set(layer, (sums.get(layer) ?? 0) + (timeDeltas[index] ?? 0));
  }
  return sums;
}

/** Markdown of this part. */
export async function profilePart(stage: Stage, folder: string, durationMs: number): Promise<string> {
  const gateway = await stage.startGateway('profiled', {
    execArgv: ['--cpu-prof', `--cpu-prof-dir=${folder}`],
  });
  const load = { ...stage.request, port: gateway.port, connections: 64, warmupMs: 3_000, durationMs };
  await measure(load, { server: gateway.pid });
  await gateway.stop();
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error('the gateway left no profile');
  const sums = microsecondsByLayer(Profile.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))));
  const total = [...sums.values()].reduce((sum, us) => sum + us, 0);
  const rows = [...sums]
    .sort(([, a], [, b]) => b - a)
    .map(([layer, us]) => [layer, `${((100 * us) / total).toFixed(1)} %`])
    .filter(([, share]) => share !== '0.0 %');
  return ["### Where the gateway's time goes", table(['layer', 'share of CPU time'], rows)].join('\n\n');
}
