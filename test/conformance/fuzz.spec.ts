/** Thousands of hostile bodies: each gets an answer that blames the caller or serves it, and nothing crashes, sticks or grows. */
import { readFileSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { identityModel } from '../support/onnx-model.js';
import { runners } from '../support/runners.js';
import { openStage } from './stage.js';
import type { Call, Stage, Way } from './stage.js';

const bodies = 10_000;
const concurrency = 16;
const seed = 20_251;
const mebibyte = 1_048_576;

let stage: Stage;
beforeAll(async () => {
  stage = await openStage(
    (['FP32', 'INT64', 'BYTES'] as const).map((type) => ({
      model: type,
      bytes: identityModel(type, ['n', 2]),
    })),
  );
});
afterAll(() => stage.close());

const data = { FP32: [1.5, -2], INT64: [1, -2], BYTES: ['a', 'ß'] } as const;
type Type = keyof typeof data;
const types = Object.keys(data) as Type[];
const rawBytes: Record<Type, Buffer> = {
  FP32: Buffer.from(Float32Array.of(1.5, -2).buffer),
  INT64: Buffer.from(BigInt64Array.of(1n, -2n).buffer),
  BYTES: Buffer.from('\x01\0\0\0a\x01\0\0\0b', 'latin1'),
};

interface Valid {
  readonly path: string;
  readonly json: string;
  readonly tail: Buffer | undefined;
}

const validCalls: readonly Valid[] = types.flatMap((type) => {
  const tensor = { name: 'x', datatype: type, shape: [1, 2] };
  const oip = `/v2/models/${type}/infer`;
  const tfs = `/v1/models/${type}:predict`;
  const sized = { ...tensor, parameters: { binary_data_size: rawBytes[type].length } };
  const request = (input: object, more: object = {}) => JSON.stringify({ id: '1', ...more, inputs: [input] });
  return [
    { path: oip, json: request({ ...tensor, data: data[type] }), tail: undefined },
    {
      path: oip,
      json: request({ ...tensor, data: [data[type]] }, { outputs: [{ name: 'y' }] }),
      tail: undefined,
    },
    { path: oip, json: request(sized), tail: rawBytes[type] },
    { path: oip, json: request(sized, { parameters: { binary_data_output: true } }), tail: rawBytes[type] },
    { path: tfs, json: JSON.stringify({ instances: [data[type]] }), tail: undefined },
    { path: tfs, json: JSON.stringify({ inputs: { x: [data[type]] } }), tail: undefined },
    {
      path: `/v1/models/${type}:classify`,
      json: JSON.stringify({ examples: [{ x: data[type] }] }),
      tail: undefined,
    },
    {
      path: `/v1/models/${type}:regress`,
      json: JSON.stringify({ examples: [{ x: data[type] }] }),
      tail: undefined,
    },
  ];
});

/** What breaks parsers. */
const poison = [
  'null',
  '-0',
  '1e999',
  '-1e999',
  'NaN',
  'Infinity',
  '9007199254740993',
  '-9223372036854775809',
  '1.5',
  '""',
  '[]',
  '{}',
  '[[[[]]]]',
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__"',
  '{"__proto__":{}}',
  '{"b64":"!"}',
  'true',
  '4294967296',
  '-1',
  '0',
  `${'['.repeat(120)}1${']'.repeat(120)}`,
  '"x"',
  '1e-400',
  '00',
  '+1',
  '.5',
  '1.',
  '0x10',
  "'x'",
  ',',
  ']',
  '}',
  ':',
  '\u0000',
];

const edit = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.nat(30) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), text: fc.constantFrom(...poison) }),
  fc.record({ kind: fc.constant('token' as const), at: fc.nat(), text: fc.constantFrom(...poison) }),
  fc.record({ kind: fc.constant('byte' as const), at: fc.nat(), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('twice' as const), at: fc.nat(), length: fc.nat(200) }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function apply(bytes: Buffer, change: Edit): Buffer {
  const at = bytes.length === 0 ? 0 : change.at % bytes.length;
  const splice = (from: number, to: number, middle: Buffer): Buffer =>
    Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(to)]);
  switch (change.kind) {
    case 'cut':
      return splice(at, at + change.length, Buffer.alloc(0));
    case 'insert':
      return splice(at, at, Buffer.from(change.text));
    case 'byte':
      return splice(at, at + 1, Buffer.from([change.value]));
    case 'twice':
      return splice(at, at, bytes.subarray(at, at + change.length));
    case 'token': {
      // A whole value of the JSON, the one at or after the place.
      const text = bytes.toString('latin1');
      const value = /-?\d[\d.]*|"[^"]*"|\[[^[\]]*\]/.exec(text.slice(at));
      const start = at + (value?.index ?? 0);
      return splice(start, start + (value?.[0].length ?? 0), Buffer.from(change.text));
    }
  }
}

const lies = fc.constantFrom(
  '',
  '0',
  '1',
  '-1',
  '7',
  '60',
  '99999999999999999999',
  '1e3',
  '4294967297',
  'x',
  ' 5',
  '0x5',
);
const disguise = fc.constantFrom('none', 'none', 'none', 'gzip', 'deflate', 'lie', 'cut gzip');

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

const hostile: fc.Arbitrary<Call> = fc
  .record({
    valid: fc.constantFrom(...validCalls),
    edits: fc.array(edit, { minLength: 0, maxLength: 4 }),
    tailEdits: fc.array(edit, { maxLength: 2 }),
    length: rarely(lies),
    disguise,
    elsewhere: rarely(fc.constantFrom(...validCalls)),
  })
  .map(({ valid, edits, tailEdits, length, disguise: mask, elsewhere }) => {
    const json = edits.reduce(apply, Buffer.from(valid.json));
    const tail = valid.tail && tailEdits.reduce(apply, valid.tail);
    const headers: Record<string, string> = {};
    if (length !== null) headers['inference-header-content-length'] = length;
    else if (tail) headers['inference-header-content-length'] = String(json.length);
    const plain = tail ? Buffer.concat([json, tail]) : json;
    return { method: 'POST', path: (elsewhere ?? valid).path, ...masked(plain, mask, headers) };
  });

function masked(
  plain: Buffer,
  mask: string,
  headers: Record<string, string>,
): Pick<Call, 'body' | 'headers'> {
  if (mask === 'gzip') return { body: gzipSync(plain), headers: { ...headers, 'content-encoding': 'gzip' } };
  if (mask === 'deflate')
    return { body: deflateSync(plain), headers: { ...headers, 'content-encoding': 'deflate' } };
  if (mask === 'lie') return { body: plain, headers: { ...headers, 'content-encoding': 'gzip' } };
  if (mask === 'cut gzip')
    return { body: gzipSync(plain).subarray(0, -5), headers: { ...headers, 'content-encoding': 'gzip' } };
  return { body: plain, headers };
}

const residentBytes = (pid: number): number =>
  1_024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
const memory = (): number[] => [process.pid, ...runners()].map(residentBytes);

const shown = (body: Call['body']): string => (Buffer.isBuffer(body) ? body.toString('latin1') : '');

async function sendAll(calls: readonly Call[], way: Way = stage.ways.node): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  const queue = calls.values();
  const worker = async (): Promise<void> => {
    for (const call of queue) {
      const { status, bytes } = await way.send(call);
      const said = `${call.path} ${JSON.stringify(call.headers)} ${shown(call.body)} → ${bytes.toString()}`;
      if (status >= 500) expect.unreachable(`${status} for ${said}`);
      if (status !== 200 && !/^\{"error":"[^]+"\}$/.test(bytes.toString())) expect.unreachable(said);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return statuses;
}

it(`${bodies} hostile bodies`, async () => {
  const calls = fc.sample(hostile, { numRuns: bodies, seed });
  const tenth = bodies / 10;
  await sendAll(calls.slice(0, tenth));
  await sendAll(calls.slice(0, tenth), stage.ways.gateway);
  const [before, pids] = [memory(), runners()];
  const statuses = await sendAll(calls.slice(tenth));
  // Some mutations leave a body valid; were it all, or none, this would test nothing.
  expect(statuses.get(200)).toBeGreaterThan(bodies / 50);
  expect(statuses.get(400)).toBeGreaterThan(bodies / 3);
  expect(runners()).toEqual(pids);
  for (const [i, bytes] of memory().entries())
    expect(bytes - (before[i] ?? 0)).toBeLessThan((i === 0 ? 160 : 48) * mebibyte);
  const alive = await stage.ways.node.send({ method: 'GET', path: '/v2/models/FP32/ready' });
  expect(alive.status).toBe(200);
});
