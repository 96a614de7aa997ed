/** The runner processes of nodes that live in the test's own process. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { vi } from 'vitest';
import { onnxModel } from './onnx-model.js';
import type { JsonTensor } from './node.js';

/** Multiplies two n×n matrices of zeros: the caller chooses how long that takes, and how much memory. */
export const busyModel = onnxModel({
  inputs: [{ name: 'size', type: 'INT64', shape: [2] }],
  outputs: [{ name: 'sum', type: 'FP32', shape: [1, 1] }],
  ops: [
    { type: 'ConstantOfShape', inputs: ['size'], outputs: ['zeros'] },
    { type: 'MatMul', inputs: ['zeros', 'zeros'], outputs: ['product'] },
    { type: 'ReduceSum', inputs: ['product'], outputs: ['sum'] },
  ],
});
export const size = (n: number): JsonTensor[] => [
  { name: 'size', datatype: 'INT64', shape: [2], data: [n, n] },
];

/** Pids of the living ones, the youngest last. */
export function runners(): number[] {
  try {
    const lines = execFileSync('pgrep', ['-P', String(process.pid), '-f', 'runner/main.js']).toString();
    return lines.trim().split('\n').map(Number);
  } catch (error) {
    // pgrep ends with 1 when it finds none.
    if ((error as { status?: number }).status === 1) return [];
    throw error;
  }
}

export const residentMiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;

/** Processor time of a process; the model's run is the only thing in a runner that takes long. */
export const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/** Resolves when the model runs in the process, which is expected to go on for a while. */
export async function whenComputing(pid: number): Promise<void> {
  const before = cpuSeconds(pid);
  await vi.waitUntil(() => cpuSeconds(pid) - before >= 0.05, { timeout: 10_000, interval: 5 });
}
