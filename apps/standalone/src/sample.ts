/** The sample model that ships with Sluice: two versions of an iris classifier, and what ONNX Runtime answers for a few flowers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import { z } from 'zod';

const Expected = z.object({
  input: z.object({
    name: z.string(),
    datatype: z.literal('FP32'),
    shape: z.tuple([z.int(), z.int()]),
    data: z.array(z.array(z.number())),
  }),
  classes: z.array(z.string()),
  truth: z.array(z.int()),
  versions: z.record(
    z.string(),
    z.object({
      file: z.string(),
      accuracy: z.number(),
      label: z.array(z.int()),
      probabilities: z.array(z.array(z.number())),
    }),
  ),
});

export interface SampleVersion {
  readonly version: number;
  readonly path: string;
  readonly description: string;
  readonly accuracy: number;
  readonly label: readonly number[];
  readonly probabilities: readonly (readonly number[])[];
}

export interface Sample {
  readonly model: string;
  readonly classes: readonly string[];
  readonly input: z.infer<typeof Expected>['input'];
  readonly versions: readonly SampleVersion[];
}

const descriptions: Readonly<Record<string, string>> = {
  '1': 'Logistic regression on the four measures of an iris flower',
  '2': 'Neural network with 16 hidden units on the same measures, standardised',
};

/** The files are not compiled, so they are found from the package root, whether this runs from src or from dist. */
export const samplesFolder = join(packageRoot, 'apps', 'standalone', 'samples');

export function loadSample(): Sample {
  const expected = Expected.parse(JSON.parse(readFileSync(join(samplesFolder, 'expected.json'), 'utf8')));
  const versions = Object.entries(expected.versions).map(([number, { file, ...answer }]) => ({
    version: Number(number),
    path: join(samplesFolder, file),
    description: descriptions[number] ?? '',
    ...answer,
  }));
  return { model: 'iris', classes: expected.classes, input: expected.input, versions };
}

/** Body of an Open Inference Protocol request for the first `rows` flowers. */
export function sampleRequest(sample: Sample, rows = sample.input.data.length) {
  const { name, datatype, data } = sample.input;
  // expected.json spells FP32 values out as FP64; seven digits name the same FP32 value and read better.
  const flowers = data.slice(0, rows).map((flower) => flower.map((value) => Number(value.toPrecision(7))));
  return { inputs: [{ name, datatype, shape: [flowers.length, 4], data: flowers.flat() }] };
}
