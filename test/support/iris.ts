/** The sample model: its two versions and a request. */
import { join } from 'node:path';
import { packageRoot } from '#platform/program';

const samples = join(packageRoot, 'apps/standalone/samples');

export const irisFile = (version: 1 | 2): string => join(samples, `iris-v${version}.onnx`);

/** One flower, as an Open Inference Protocol request. */
export const irisRequest = {
  inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [6.1, 2.8, 4.7, 1.2] }],
};
