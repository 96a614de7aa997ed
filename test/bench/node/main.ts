/**
 * `npm run bench:node`: the inference node beside bare node:http with onnxruntime-node, and its batcher beside fixed batch
 * sizes, in one run. Writes its section of docs/benchmarks.md; `--quick` only prints.
 */
import { machine } from '../processes.js';
import { writeSection } from '../report.js';
import { batcherPart } from './batcher.js';
import { codecPart } from './codec.js';
import { healthPart } from './health.js';
import { benchModels } from './models.js';
import { runnerPart } from './runner.js';
import { servingPart } from './serving.js';
import { Stage } from './stage.js';
import { fullTimes, quickTimes } from './times.js';

const quick = process.argv.includes('--quick');
const times = quick ? quickTimes : fullTimes;
const models = benchModels().filter(({ name }) => !quick || name !== 'pp-ocr-rec');
const busy = models.at(-1);
if (!busy) throw new Error('no models');

const parts = [`Machine: ${machine()}; ${new Date().toISOString().slice(0, 10)}.`];
const show = (part: string): void => {
  parts.push(part);
  process.stdout.write(`${part}\n\n`);
};
const stage = await Stage.start();
try {
  show(codecPart(times));
  show(await servingPart(stage, models, times));
  show(await batcherPart(stage, quick ? models.slice(0, 2) : models, times));
  show(await runnerPart(models.slice(0, 2), times));
  show(await healthPart(stage, busy, times));
} finally {
  await stage.stop();
}
if (!quick) writeSection('node', parts.join('\n\n'));
