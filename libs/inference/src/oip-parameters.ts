/** The `parameters` objects of the Open Inference Protocol, with the ones that Triton defines. */
import { invalidRequest } from './errors.js';
import { openObject } from './json-scanner.js';
import type { JsonScanner } from './json-scanner.js';

type Parameter = string | number | boolean;
export type Parameters = ReadonlyMap<string, Parameter>;

/** Reads any parameters; their values may be strings, numbers and booleans (unknown ones are ignored later). */
export function readParameters(scanner: JsonScanner, where: string): Parameters {
  const parameters = new Map<string, Parameter>();
  if (scanner.peek() !== openObject) throw invalidRequest(`"parameters" of ${where} must be an object.`);
  scanner.readMembers((key) => {
    const value = scanner.readValue();
    if (typeof value === 'object')
      throw invalidRequest(`The parameter '${key}' of ${where} must be a string, a number or a boolean.`);
    parameters.set(key, value);
  });
  return parameters;
}

export function booleanParameter(parameters: Parameters | undefined, key: string): boolean | undefined {
  const value = parameters?.get(key);
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalidRequest(`Unable to parse '${key}': it must be true or false.`);
}

export function countParameter(parameters: Parameters | undefined, key: string): number | undefined {
  const value = parameters?.get(key);
  if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= 0))
    return value as number | undefined;
  throw invalidRequest(`Unable to parse '${key}': it must be an integer that is not negative.`);
}

export interface RequestParameters {
  readonly binaryOutput: boolean;
  readonly priority: number;
  readonly timeoutUs: number | undefined;
}

export function requestParameters(parameters: Parameters | undefined): RequestParameters {
  for (const key of parameters?.keys() ?? [])
    if (key.startsWith('triton_'))
      throw invalidRequest(
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
      );
  // A timeout of 0 is none, as in Triton.
  const timeoutUs = countParameter(parameters, 'timeout');
  return {
    binaryOutput: booleanParameter(parameters, 'binary_data_output') ?? false,
    priority: countParameter(parameters, 'priority') ?? 0,
    timeoutUs: timeoutUs === 0 ? undefined : timeoutUs,
  };
}
