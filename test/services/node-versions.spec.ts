/**
 * The runner's engine under the Node releases after our own: FP16 must pass bit by bit with and without a native Float16Array.
 * Gets those releases from the package registry, so it is no part of `npm test`. Needs `npm run build`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '#platform/program';
import { identityModel } from '../support/onnx-model.js';

const engine = join(packageRoot, 'dist/apps/node/src/runner/engine.js');
/** 1, -2, the largest, the least subnormal, -0, Infinity, NaN. */
const halves = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x7e00];

const program = `
const [entryPath, bits] = process.argv.slice(-2);
const { Engine } = await import(${JSON.stringify(engine)});
const config = { graph_optimization: 'all', intra_op_threads: 1 };
const model = await Engine.load({ model: 'm', version: '1', entryPath, config });
const elements = Uint16Array.from(JSON.parse(bits));
const [result] = await model.run([{ name: 'x', datatype: 'FP16', shape: [elements.length], elements }], ['y']);
const { datatype, elements: out } = result;
const given = [...new Uint16Array(out.buffer, out.byteOffset, out.byteLength / 2)];
console.log(JSON.stringify({ node: process.versions.node, datatype, given }));
`;

describe.each(['22', '24'])('Node %s', (release) => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-node-versions-'));
    await writeFile(join(folder, 'model.onnx'), identityModel('FP16', ['n']));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('carries FP16 to the bit', { timeout: 180_000 }, async () => {
    const { stdout } = await promisify(execFile)(
      'npx',
      ['--yes', `node@${release}`, '--input-type=module', '-e', program, '--', join(folder, 'model.onnx'), JSON.stringify(halves)],
      { cwd: packageRoot },
    ); // prettier-ignore
    const told = JSON.parse(stdout) as { node: string; datatype: string; given: number[] };
    expect(told.node).toMatch(new RegExp(`^${release}\\.`));
    expect(told).toMatchObject({ datatype: 'FP16', given: halves });
  });
});
