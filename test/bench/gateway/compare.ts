/**
 * All contenders in turn, several rounds: closed loop for throughput and CPU, then the same Poisson arrivals for all at a quarter and
 * at half of what the gateway can do. Medians of the rounds.
 */
import { measure } from '../processes.js';
import type { Measured } from '../processes.js';
import { atLeast, atMost, table } from '../report.js';
import { byTurns, medians } from '../windows.js';
import type { Figures } from '../windows.js';
import type { Contender } from './contender.js';
import type { Stage } from './contenders.js';

export interface Times {
  readonly rounds: number;
  /** At half load, where neighbouring windows of one program differ by more than programs do. */
  readonly halfLoadRounds: number;
  readonly closedMs: number;
  readonly openMs: number;
}

const connections = 64;
const openConnections = 128;
const warmupMs = 500;
/** Before anything is measured, so that no program is still being compiled. */
const heatMs = 4_000;

interface Row extends Figures {
  readonly name: string;
}

/** By turns, so that a slow minute of the machine meets all alike. */
async function inRounds(
  contenders: readonly Contender[],
  rounds: number,
  measureOne: (contender: Contender, round: number) => Promise<Measured>,
): Promise<Row[]> {
  const windows = contenders.map((contender) => (round: number) => measureOne(contender, round));
  const found = await byTurns(windows, rounds);
  return contenders.map(({ name }, index) => ({ name, ...medians(found[index] ?? []) }));
}

const line = ({ name, perSecond, p50Ms, p99Ms, cpuUs, machineBusy }: Row): string[] => [
  name,
  perSecond.toFixed(0),
  p50Ms.toFixed(2),
  p99Ms.toFixed(2),
  cpuUs.toFixed(1),
  `${(machineBusy * 100).toFixed(0)} %`,
];
const header = ['program', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs per request', 'machine busy'];

const rowOf = (rows: readonly Row[], prefix: string): Row | undefined =>
  rows.find(({ name }) => name.startsWith(prefix));

function targets(closed: readonly Row[], open: readonly Row[]): string[][] {
  const [own, ownOpen] = [rowOf(closed, 'Sluice'), rowOf(open, 'Sluice')];
  const [old, undici] = [rowOf(closed, 'http-proxy'), rowOf(closed, 'bare undici')];
  const [native, nativeOpen] = [rowOf(closed, 'HAProxy'), rowOf(open, 'HAProxy')];
  const direct = rowOf(open, 'upstream');
  if (!own || !ownOpen || !old || !undici || !direct) throw new Error('a contender was not measured');
  const overheadMs = ownOpen.p99Ms - direct.p99Ms;
  return [
    ['requests/s, beside http-proxy 1.18.1', atLeast(own.perSecond / old.perSecond, 2)],
    ['CPU per request, beside http-proxy 1.18.1', atMost(own.cpuUs / old.cpuUs, 0.5)],
    ['requests/s, beside the bare undici forwarder', atLeast(own.perSecond / undici.perSecond, 0.85)],
    ...(native && nativeOpen
      ? [
          ['CPU per request, beside HAProxy with JWT and limit', atMost(own.cpuUs / native.cpuUs, 1)],
          [
            'p99 at half load, beside HAProxy with JWT and limit',
            atMost(ownOpen.p99Ms / nativeOpen.p99Ms, 1),
          ],
        ]
      : []),
    [
      'p99 at half load over that of the upstream alone',
      `${overheadMs.toFixed(2)} ms (< 2 ms: ${overheadMs < 2 ? 'met' : 'missed'})`,
    ],
  ];
}

const openTitle = (perSecond: number, share: string): string =>
  `### Open loop: Poisson arrivals, ${perSecond.toFixed(0)}/s (${share} of the gateway's own maximum) for all`;

/** Markdown of this part. */
export async function comparePart(stage: Stage, times: Times): Promise<string> {
  const { gateway, peers, direct, request } = stage;
  const all = [gateway, ...peers, direct];
  for (const { port } of all)
    await measure({ ...request, port, connections, warmupMs: 0, durationMs: heatMs }, {});
  const closed = await inRounds(all, times.rounds, ({ pid, port }) =>
    measure({ ...request, port, connections, warmupMs, durationMs: times.closedMs }, { server: pid }),
  );
  const mostPerSecond = rowOf(closed, 'Sluice')?.perSecond ?? 0;
  const openLoop = (perSecond: number, rounds: number): Promise<Row[]> =>
    inRounds(all, rounds, ({ pid, port }, seed) =>
      measure(
        {
          ...request,
          port,
          connections: openConnections,
          warmupMs,
          durationMs: times.openMs,
          perSecond,
          seed,
        },
        { server: pid },
      ),
    );
  const quarter = await openLoop(mostPerSecond / 4, times.rounds);
  const half = await openLoop(mostPerSecond / 2, times.halfLoadRounds);
  const absent = stage.missing.map((name) => `${name} is not installed here and was not measured.`);
  return [
    ...absent,
    '### Targets',
    table(['what', 'ratio'], targets(closed, half)),
    `### Closed loop, ${connections} connections`,
    table(header, closed.map(line)),
    openTitle(mostPerSecond / 4, 'a quarter'),
    table(header, quarter.map(line)),
    openTitle(mostPerSecond / 2, 'half'),
    table(header, half.map(line)),
  ].join('\n\n');
}
