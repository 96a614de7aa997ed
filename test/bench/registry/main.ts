/**
 * `npm run bench:registry`: Sluice's registry and a stock `mlflow server` on one PostgreSQL, in one run. Writes its section of
 * docs/benchmarks.md; with `--quick` it only prints, after less time. `--python <file>` names an interpreter that has mlflow.
 * `--points=100000000` measures a log of so many points instead, and writes that section.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, startServer } from '../../support/postgres.js';
import { makePython } from '../../support/python.js';
import { machine } from '../processes.js';
import { atLeast, table, writeSection } from '../report.js';
import { aliasLoad, logBatch, searchLoad, seedAlias, seedModelRun, seedRuns } from './beside-mlflow.js';
import { startMlflow, startSluice } from './contender.js';
import type { Contender } from './contender.js';
import { fillLog, measureHuge } from './huge-log.js';
import type { Filled } from './huge-log.js';
import { longHistory, manyRuns, seedManyRuns } from './scale.js';

const quick = process.argv.includes('--quick');
const givenPython = process.argv[process.argv.indexOf('--python') + 1];
const pointsText = process.argv
  .find((argument) => argument.startsWith('--points='))
  ?.slice('--points='.length);
const times = quick ? { warmupMs: 500, durationMs: 2_000 } : { warmupMs: 2_000, durationMs: 10_000 };
const runs = quick ? 300 : 1_200;
const packages = ['mlflow==3.17.2', 'psycopg2-binary==2.9.11'];

interface Figures {
  readonly small: number;
  readonly large: number;
  readonly search: Awaited<ReturnType<typeof searchLoad>>;
  readonly aliases: Awaited<ReturnType<typeof aliasLoad>>;
}

async function measureOne(contender: Contender): Promise<Figures> {
  const say = (text: string): void => void process.stderr.write(`${contender.name}: ${text}\n`);
  say('batches');
  const small = await logBatch(contender, { keys: 10, stepsPerBatch: 10 }, times);
  const large = await logBatch(contender, { keys: 10, stepsPerBatch: 100 }, times);
  say('runs to search');
  const experiment = await seedRuns(contender, runs);
  say('search');
  const search = await searchLoad(contender, { experiment_ids: [experiment], max_results: 1_000 }, 4, {
    ...times,
    durationMs: times.durationMs * 2,
  });
  say('aliases');
  await seedAlias(contender, await seedModelRun(contender));
  const aliases = await aliasLoad(contender, 20, times);
  const figures = { small, large, search, aliases };
  say(JSON.stringify(figures));
  return figures;
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const ms = (value: number): string => value.toFixed(0);
const target = (value: number, isMet: boolean, text: string): string =>
  `${whole(value)} (${text}: ${isMet ? 'met' : 'missed'})`;

function besideTable(sluice: Figures, mlflow: Figures): string {
  const row = (what: string, one: string, other: string, ratio: string): string[] => [
    what,
    one,
    other,
    ratio,
  ];
  return table(
    ['what', 'Sluice', 'mlflow server', 'ratio'],
    [
      row(
        'metric points/s, 4 writers, 100 a batch',
        whole(sluice.small),
        whole(mlflow.small),
        atLeast(sluice.small / mlflow.small, 10),
      ),
      row(
        'metric points/s, 4 writers, 1,000 a batch',
        whole(sluice.large),
        whole(mlflow.large),
        atLeast(sluice.large / mlflow.large, 10),
      ),
      row(
        `p95 ms, ${quick ? runs : '1,000'} runs found, 4 connections`,
        ms(sluice.search.p95Ms),
        ms(mlflow.search.p95Ms),
        atLeast(mlflow.search.p95Ms / sluice.search.p95Ms, 20),
      ),
      row(
        'alias resolves/s, 20 connections',
        whole(sluice.aliases.perSecond),
        whole(mlflow.aliases.perSecond),
        atLeast(sluice.aliases.perSecond / mlflow.aliases.perSecond, 10),
      ),
    ],
  );
}

async function scaleTable(sluice: Contender, databaseUrl: string, points: number): Promise<string> {
  const history = await longHistory(sluice, quick ? 200_000 : 1_000_000, quick ? 10 : 50);
  const experiment = await seedManyRuns(databaseUrl, quick ? 20_000 : 100_000);
  const searches = await manyRuns(sluice, experiment, times);
  return table(
    ['what', 'figure', 'p50 ms'],
    [
      [
        'metric points/s by log-batch, 4 writers, 1,000 a batch',
        target(points, points >= 50_000, '≥ 50,000'),
        '',
      ],
      [
        `p95 ms of a chart (${history.shown} points) of a metric of ${quick ? '200,000' : '1,000,000'}`,
        target(history.p95Ms, history.p95Ms < 200, '< 200'),
        ms(history.p50Ms),
      ],
      ...Object.entries(searches).map(([name, { p95Ms, p50Ms }]) => [
        `p95 ms of 100 of ${quick ? '20,000' : '100,000'} runs, 4 connections: ${name}`,
        target(p95Ms, p95Ms < 100, '< 100'),
        ms(p50Ms),
      ]),
    ],
  );
}

function hugeTable(filled: Filled, figures: Awaited<ReturnType<typeof measureHuge>>): string {
  const row = (what: string, { p50Ms, p95Ms }: { p50Ms: number; p95Ms: number }, maxMs: number): string[] => [
    what,
    target(p95Ms, p95Ms < maxMs, `< ${maxMs}`),
    ms(p50Ms),
  ];
  return table(
    ['what', 'figure', 'p50 ms'],
    [
      ...Object.entries(filled.sizes).map(([name, size]) => [`size of the ${name}`, size, '']),
      [
        'metric points/s by log-batch, 4 writers, 1,000 a batch',
        target(figures.pointsPerSecond, figures.pointsPerSecond >= 50_000, '≥ 50,000'),
        '',
      ],
      row('p95 ms of a chart of a metric of 1,000,000', figures.chart, 200),
      row('p95 ms of 1,000 points of a history', figures.history, 100),
      row('p95 ms of a run with its ten latest values', figures.latest, 100),
      row(
        `p95 ms of 100 of ${whole(filled.runs)} runs by a metric, in the order of another, 4 connections`,
        figures.search,
        100,
      ),
    ],
  );
}

const machineLine = (rest: string): string =>
  `Machine: ${machine()}; ${new Date().toISOString().slice(0, 10)}; ${rest}PostgreSQL as it comes, with fsync.`;

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-registry-'));
const server = await startServer({ isDurable: true });
const started: Contender[] = [];
const start = async (starting: Promise<Contender>): Promise<Contender> => {
  const contender = await starting;
  started.push(contender);
  return contender;
};

async function besideMlflow(): Promise<void> {
  const python =
    process.argv.includes('--python') && givenPython !== undefined
      ? givenPython
      : await makePython(folder, packages);
  const databases = [await createDatabase(server.url), await createDatabase(server.url)] as const;
  const sluice = await start(startSluice(databases[0].url, folder));
  const ours = await measureOne(sluice);
  const scale = await scaleTable(sluice, databases[0].url, ours.large);
  await sluice.stop();
  const mlflow = await start(startMlflow(databases[1].url, folder, python));
  const theirs = await measureOne(mlflow);
  await mlflow.stop();
  const text = [machineLine('mlflow 3.17.2; '), besideTable(ours, theirs), scale].join('\n\n');
  process.stdout.write(`${text}\n`);
  if (!quick) writeSection('registry', text);
}

async function huge(points: number): Promise<void> {
  const { url } = await createDatabase(server.url);
  const sluice = await start(startSluice(url, folder));
  const filled = await fillLog(url, points);
  process.stderr.write(`${whole(points)} points in ${filled.tookS.toFixed(0)} s\n`);
  const figures = await measureHuge(sluice, filled, times);
  await sluice.stop();
  const text = `${machineLine('')}\n\n${whole(points)} points:\n\n${hugeTable(filled, figures)}`;
  process.stdout.write(`${text}\n`);
  if (!quick) writeSection('registry-points', text);
}

try {
  await (pointsText === undefined ? besideMlflow() : huge(Number(pointsText)));
} finally {
  for (const contender of started) await contender.stop();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
