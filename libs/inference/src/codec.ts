/** The one door to the codecs: a body in any of the served protocols → a checked request that can encode its answer. */
import type { Signature } from '#contracts/tensors';
import { invalidRequest } from './errors.js';
import { HeadingMemory } from './heading-memory.js';
import { JsonScanner } from './json-scanner.js';
import { CodecLimits } from './limits.js';
import type { CodecOptions } from './limits.js';
import { decodeOip } from './oip-request.js';
import type { Heading, OipCodec } from './oip-request.js';
import { oipEncoder } from './oip-response.js';
import type { DecodedRequest, ModelLabel, Protocol } from './request.js';
import { planOf } from './signature-plan.js';
import { decodeExamples } from './tfserving-examples.js';
import { decodePredict } from './tfserving-request.js';

export type { DecodedRequest, EncodedBody, ModelLabel, Protocol } from './request.js';

/** @throws TensorError; `headerLength` 0 says that the whole body is one input's raw data */
export type Decode = (protocol: Protocol, body: Buffer, headerLength: number | undefined) => DecodedRequest;

/** Prepares the codecs of one version. @throws ZodError when an option is out of bounds */
export function createDecoder(signature: Signature, label: ModelLabel, options: CodecOptions = {}): Decode {
  const limits = CodecLimits.parse(options);
  const plan = planOf(signature, limits);
  const scanner = new JsonScanner(limits.maxDepth);
  const oip: OipCodec = {
    plan,
    scanner,
    encode: oipEncoder(label, plan.hasBatchDimension),
    memory: new HeadingMemory<Heading>(),
  };
  return (protocol, body, headerLength) => {
    if (protocol === 'oip') return decodeOip(oip, body, headerLength);
    if (headerLength !== undefined && headerLength !== body.length)
      throw invalidRequest(`:${protocol} takes JSON only, without Inference-Header-Content-Length.`);
    return protocol === 'predict' ? decodePredict(oip, body) : decodeExamples(oip, protocol, body);
  };
}
