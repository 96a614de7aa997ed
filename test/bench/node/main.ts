/**
 * `npm run bench:node`: the inference node beside bare node:http with onnxruntime-node, and its batcher beside fixed batch
 * sizes, in one run. Writes its section of docs/benchmarks.md; `-- --quick`, and choices like `-- --parts=serving
 * --models=identity,mlp`, only print.
 */
import { parseArgs } from 'node:util';
import { machine } from '../processes.js';
import { table, writeSection } from '../report.js';
import { batcherPart } from './batcher.js';
import { codecPart } from './codec.js';
import { healthPart } from './health.js';
import { benchModels } from './models.js';
import type { Part } from './part.js';
import { runnerPart } from './runner.js';
import { servingPart } from './serving.js';
import { Stage } from './stage.js';
import { fullTimes, quickTimes } from './times.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    models: { type: 'string' },
    parts: { type: 'string' },
  },
});
const isWhole = !values.quick && values.models === undefined && values.parts === undefined;
const times = values.quick ? quickTimes : fullTimes;
const chosen = values.models?.split(',');
const models = benchModels().filter(({ name }) => chosen?.includes(name) ?? true);
const tiny = models.filter(({ isTiny }) => isTiny).slice(0, 2);
const busy = models.at(-1);
if (!busy) throw new Error('no such models');

const benchParts = {
  codec: () => codecPart(times),
  serving: (stage: Stage) => servingPart(stage, models, times),
  batcher: (stage: Stage) => batcherPart(stage, models, times),
  runner: () => runnerPart(tiny, times),
  health: (stage: Stage) => healthPart(stage, busy, times),
} satisfies Record<string, (stage: Stage) => Part | Promise<Part>>;

const stage = await Stage.start();
const done: Part[] = [];
try {
  for (const [name, part] of Object.entries(benchParts)) {
    if (values.parts !== undefined && !values.parts.split(',').includes(name)) continue;
    const made = await part(stage);
    done.push(made);
    process.stdout.write(`${made.text}\n\n`);
  }
} finally {
  await stage.stop();
}
const targets = [
  '### Targets',
  table(
    ['what', 'figure'],
    done.flatMap((part) => part.targets),
  ),
].join('\n\n');
process.stdout.write(`${targets}\n`);
const heading = `Machine: ${machine()}; ${new Date().toISOString().slice(0, 10)}.`;
if (isWhole) writeSection('node', [heading, targets, ...done.map(({ text }) => text)].join('\n\n'));
