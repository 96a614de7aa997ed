/** Predictions with the sample model through the gateway, and whether their answers are the expected ones. */
import { sluiceHeaders } from '#contracts/oip';
import { z } from 'zod';
import { type Sample, type SampleVersion, sampleRequest } from './sample.js';
import { StartError } from '#platform/start';

const InferAnswer = z.object({
  outputs: z.array(z.object({ name: z.string(), data: z.array(z.coerce.number()) })),
});

export interface SampleAnswer {
  readonly label: readonly number[];
  readonly probabilities: readonly number[];
}

export interface Prediction extends SampleAnswer {
  /** What x-sluice-version said. */
  readonly servedBy: number;
}

/** The path of an endpoint, or of one of its versions. */
export const inferPath = (endpoint: string, version?: number): string =>
  `/v2/models/${endpoint}${version === undefined ? '' : `/versions/${version}`}/infer`;

/** Sends all flowers of the sample to one version, or to whichever the traffic gives. */
export async function predict(
  gateway: { readonly url: string; readonly token: string },
  sample: Sample,
  version?: number,
): Promise<Prediction> {
  const response = await fetch(new URL(inferPath(sample.model, version), gateway.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(sampleRequest(sample)),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok)
    throw new StartError(`The prediction was refused with ${response.status}: ${text.slice(0, 300)}`);
  const { outputs } = InferAnswer.parse(JSON.parse(text));
  const dataOf = (name: string): number[] => outputs.find((output) => output.name === name)?.data ?? [];
  return {
    servedBy: Number(response.headers.get(sluiceHeaders.version)),
    label: dataOf('label'),
    probabilities: dataOf('probabilities'),
  };
}

/** ONNX Runtime's kernels differ in the last bits between processors and releases. */
const tolerance = 1e-5;

/** What is wrong with an answer; undefined when it is the expected one. */
export function compareAnswer(expected: SampleVersion, answer: SampleAnswer): string | undefined {
  const wanted = expected.probabilities.flat();
  if (answer.label.join() !== expected.label.join()) {
    return `version ${expected.version} answered the labels ${answer.label.join()}, expected ${expected.label.join()}`;
  }
  const isClose = (value: number, index: number): boolean =>
    Math.abs(value - (answer.probabilities[index] ?? Number.NaN)) <= tolerance;
  if (answer.probabilities.length !== wanted.length || !wanted.every(isClose)) {
    return `version ${expected.version} answered the probabilities ${answer.probabilities.join()}, expected ${wanted.join()}`;
  }
  return undefined;
}
