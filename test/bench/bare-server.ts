/** The peer of the benchmarks: one process, `node:http` and onnxruntime-node, JSON in and out, nothing else. */
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as ort from 'onnxruntime-node';
import { z } from 'zod';

const Body = z.object({
  inputs: z.array(z.object({ name: z.string(), shape: z.array(z.number()), data: z.array(z.number()) })),
});
type Body = z.infer<typeof Body>;

async function readJson(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Body;
}

async function predict(session: ort.InferenceSession, body: Body): Promise<string> {
  const feeds = Object.fromEntries(
    body.inputs.map((input) => [
      input.name,
      new ort.Tensor('float32', Float32Array.from(input.data), input.shape),
    ]),
  );
  const results = await session.run(feeds);
  const outputs = Object.entries(results).map(([name, tensor]) => ({
    name,
    shape: tensor.dims,
    datatype: tensor.type,
    data: Array.from(tensor.data as ArrayLike<number | bigint>, Number),
  }));
  return JSON.stringify({ outputs });
}

const file = process.argv[2];
if (file === undefined) throw new Error('usage: bare-server.js <model.onnx>');
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const server = createServer((request, response) => {
  readJson(request)
    .then((body) => predict(session, body))
    .then(
      (text) =>
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
          .end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
