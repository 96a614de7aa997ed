/** What both servers are asked: to log batches, to find 1,000 runs, to resolve an alias. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { measure } from '../processes.js';
import { call } from './contender.js';
import type { Contender } from './contender.js';

const api = '/api/2.0/mlflow';
const writers = 4;
const RunAnswer = z.object({ run: z.object({ info: z.object({ run_id: z.string() }) }) });

export interface Times {
  readonly warmupMs: number;
  readonly durationMs: number;
}

async function startRun(contender: Contender, experimentId: string): Promise<string> {
  const body = { experiment_id: experimentId, start_time: 1_700_000_000_000 };
  return RunAnswer.parse(await call(contender, 'POST', `${api}/runs/create`, body)).run.info.run_id;
}

async function createExperiment(contender: Contender, name: string): Promise<string> {
  const answer = await call(contender, 'POST', `${api}/experiments/create`, { name });
  return z.object({ experiment_id: z.string() }).parse(answer).experiment_id;
}

/** Metric points per second that four writers log, `keys` × `stepsPerBatch` a batch. */
export async function logBatch(
  contender: Contender,
  shape: { readonly keys: number; readonly stepsPerBatch: number },
  times: Times,
): Promise<number> {
  const experiment = await createExperiment(contender, `written ${shape.keys} ${shape.stepsPerBatch}`);
  const runIds: string[] = [];
  for (let i = 0; i < writers; i += 1) runIds.push(await startRun(contender, experiment));
  const { port, headers } = contender;
  const script = join(dirname(fileURLToPath(import.meta.url)), 'batch-writer.js');
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    JSON.stringify({ port, headers, runIds, ...shape, ...times }),
  ]);
  return z.object({ pointsPerSecond: z.number() }).parse(JSON.parse(stdout)).pointsPerSecond;
}

/** Runs with 10 metrics of 5 points, 10 params and 6 tags each. @returns their experiment */
export async function seedRuns(contender: Contender, count: number): Promise<string> {
  const experiment = await createExperiment(contender, 'searched');
  let next = 0;
  const seed = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const run_id = await startRun(contender, experiment);
      await call(contender, 'POST', `${api}/runs/log-batch`, {
        run_id,
        metrics: Array.from({ length: 50 }, (_, n) => ({
          key: `metric-${n % 10}`,
          value: (i * 7 + n) % 101,
          timestamp: 1_700_000_000_000 + n,
          step: Math.floor(n / 10),
        })),
        params: Array.from({ length: 10 }, (_, n) => ({ key: `param-${n}`, value: String((i + n) % 17) })),
        tags: Array.from({ length: 6 }, (_, n) => ({ key: `tag-${n}`, value: `value ${i % (n + 2)}` })),
      });
    }
  };
  await Promise.all(Array.from({ length: writers }, seed));
  return experiment;
}

export const searchLoad = (
  { port, headers }: Contender,
  body: object,
  connections: number,
  times: Times,
): ReturnType<typeof measure> =>
  measure(
    {
      host: '127.0.0.1',
      port,
      path: `${api}/runs/search`,
      headers,
      body: JSON.stringify(body),
      connections,
      ...times,
    },
    {},
  );

/** A model with one version behind an alias. */
export async function seedAlias(contender: Contender, runId: string): Promise<void> {
  await call(contender, 'POST', `${api}/registered-models/create`, { name: 'aliased' });
  await call(contender, 'POST', `${api}/model-versions/create`, {
    name: 'aliased',
    source: `runs:/${runId}/model`,
    run_id: runId,
  });
  const alias = { name: 'aliased', alias: 'champion', version: '1' };
  await call(contender, 'POST', `${api}/registered-models/alias`, alias);
}

/** A run with the one file of a model. */
export async function seedModelRun(contender: Contender): Promise<string> {
  const runId = await startRun(contender, '0');
  const { run } = z
    .object({ run: z.object({ info: z.object({ artifact_uri: z.string() }) }) })
    .parse(await call(contender, 'GET', `${api}/runs/get?run_id=${runId}`));
  const path = run.info.artifact_uri.replace('mlflow-artifacts:/', '');
  const answer = await fetch(
    `http://127.0.0.1:${contender.port}/api/2.0/mlflow-artifacts/artifacts/${path}/model/MLmodel`,
    {
      method: 'PUT',
      headers: contender.headers,
      body: 'flavors:\n  sklearn:\n    pickled_model: model.pkl\n',
    },
  );
  if (answer.status !== 200) throw new Error(`the artifact was answered by ${answer.status}`);
  return runId;
}

export const aliasLoad = (
  { port, headers }: Contender,
  connections: number,
  times: Times,
): ReturnType<typeof measure> =>
  measure(
    {
      method: 'GET',
      host: '127.0.0.1',
      port,
      path: `${api}/registered-models/alias?name=aliased&alias=champion`,
      headers,
      body: '',
      connections,
      ...times,
    },
    {},
  );
