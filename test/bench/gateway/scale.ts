/** A large snapshot in a gateway's process: figures of {@link ScaleResult}, as Markdown. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gatewayNodeFlags } from '#platform/program';
import { table } from '../report.js';

export const endpointCount = 10_000;
export const replicasEach = 20;

/** Of one snapshot, from its JSON to the swapped table. */
export interface Taking {
  readonly tookMs: number;
  /** For which nobody else got a turn on the event loop. */
  readonly longestMs: number;
  /** The most that the event loop's thread computed meanwhile in one turn. */
  readonly longestCpuMs: number;
}

export interface ScaleResult {
  readonly resolveAndPickUs: number;
  readonly first: Taking;
  /** 1 % of the models have changed. */
  readonly few: Taking;
  /** Every model has changed. */
  readonly all: Taking;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly jsonBytes: number;
}

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`;
const verdict = (isMet: boolean): string => (isMet ? 'met' : 'missed');

const takingRow = (what: string, { tookMs, longestMs, longestCpuMs }: Taking): string[] => [
  what,
  `${longestMs.toFixed(1)} ms at most (${longestCpuMs.toFixed(1)} ms of CPU), ${tookMs.toFixed(0)} ms in all`,
  `< 10 ms at most: ${verdict(longestMs < 10)}`,
];

/** Markdown of this part. */
export async function scalePart(): Promise<string> {
  const file = join(dirname(fileURLToPath(import.meta.url)), 'scale-process.js');
  const child = fork(file, { execArgv: [...gatewayNodeFlags], stdio: 'inherit' });
  const [result] = (await once(child, 'message')) as [ScaleResult];
  return [
    `### A snapshot of ${endpointCount} endpoints with ${replicasEach} replicas each`,
    'From its JSON to the swapped table the event loop is held for:',
    table(
      ['what', 'measured', 'target'],
      [
        [
          'resolve and pick',
          `${result.resolveAndPickUs.toFixed(2)} µs`,
          `< 2 µs: ${verdict(result.resolveAndPickUs < 2)}`,
        ],
        takingRow('a swap after which 1 % of the models differ', result.few),
        takingRow('a swap after which all models differ', result.all),
        takingRow('the first snapshot', result.first),
        ['heap of table, snapshot and its text', mebibytes(result.heapBytes), ''],
        ['RSS of the process after three swaps', mebibytes(result.rssBytes), ''],
        ['its JSON', mebibytes(result.jsonBytes), ''],
      ],
    ),
  ].join('\n\n');
}
