/**
 * The peer of the benchmarks: one process, `node:http` and onnxruntime-node, JSON or binary tensors in and out, nothing
 * else. `node bare-server.js <model.onnx> [threads]`
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as ort from 'onnxruntime-node';
import { z } from 'zod';

const Body = z.object({
  inputs: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.number()),
      datatype: z.string(),
      data: z.array(z.number()).optional(),
      parameters: z.object({ binary_data_size: z.number() }).optional(),
    }),
  ),
});
type Body = z.infer<typeof Body>;
type Input = Body['inputs'][number];

const headerLengthName = 'inference-header-content-length';

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function fromJson({ datatype, shape, data = [] }: Input): ort.Tensor {
  return datatype === 'INT64'
    ? new ort.Tensor('int64', BigInt64Array.from(data, BigInt), shape)
    : new ort.Tensor('float32', Float32Array.from(data), shape);
}

/** Typed arrays need aligned offsets, so the bytes are copied. */
function fromBytes({ datatype, shape }: Input, bytes: Buffer): ort.Tensor {
  const copy = new Uint8Array(bytes).buffer;
  return datatype === 'INT64'
    ? new ort.Tensor('int64', new BigInt64Array(copy), shape)
    : new ort.Tensor('float32', new Float32Array(copy), shape);
}

function feedsOf(body: Buffer, headerLength: number | undefined): Record<string, ort.Tensor> {
  const { inputs } = JSON.parse(body.toString('utf8', 0, headerLength)) as Body;
  let offset = headerLength ?? body.length;
  return Object.fromEntries(
    inputs.map((input) => {
      const size = input.parameters?.binary_data_size;
      if (size === undefined) return [input.name, fromJson(input)];
      const bytes = body.subarray(offset, offset + size);
      offset += size;
      return [input.name, fromBytes(input, bytes)];
    }),
  );
}

const bytesOf = ({ data }: ort.Tensor): Buffer => {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return Buffer.from(buffer, byteOffset, byteLength);
};

function answerBinary(response: ServerResponse, results: Readonly<Record<string, ort.Tensor>>): void {
  const parts = Object.values(results).map(bytesOf);
  const outputs = Object.entries(results).map(([name, { dims, type }], index) => ({
    name,
    shape: dims,
    datatype: type,
    parameters: { binary_data_size: parts[index]?.length },
  }));
  const head = Buffer.from(JSON.stringify({ outputs }));
  const body = Buffer.concat([head, ...parts]);
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': body.length,
    [headerLengthName]: head.length,
  });
  response.end(body);
}

function answerJson(response: ServerResponse, results: Readonly<Record<string, ort.Tensor>>): void {
  const outputs = Object.entries(results).map(([name, { dims, type, data }]) => ({
    name,
    shape: dims,
    datatype: type,
    data: Array.from(data as ArrayLike<number | bigint>, Number),
  }));
  const text = JSON.stringify({ outputs });
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

async function predict(
  session: ort.InferenceSession,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  const header = request.headers[headerLengthName];
  const results = await session.run(feedsOf(body, header === undefined ? undefined : Number(header)));
  (header === undefined ? answerJson : answerBinary)(response, results);
}

const [, , file, threads = '1'] = process.argv;
if (file === undefined) throw new Error('usage: bare-server.js <model.onnx> [threads]');
const session = await ort.InferenceSession.create(file, {
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  logSeverityLevel: 3,
});
/** Runs of slow models follow each other for longer than the default, and then timers come before what has arrived. */
const keepAliveTimeout = 600_000;
const server = createServer({ keepAliveTimeout }, (request, response) => {
  predict(session, request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
