import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { credentialText, partsTable, predictionText, tryItText } from './banner.js';
import { loadSample } from './sample.js';

const sample = loadSample();

it('aligns the parts in a table', () => {
  const part = { reason: undefined, pid: 1, state: 'READY' } as const;
  const text = partsTable([
    { ...part, name: 'database', address: '127.0.0.1:5432' },
    { ...part, name: 'worker', address: undefined, state: 'BACKING_OFF' },
  ]);
  expect(text.split('\n')).toEqual([
    '  PART       ADDRESS          STATE',
    '  database   127.0.0.1:5432   READY',
    '  worker     -                BACKING_OFF',
  ]);
});

it('shows the secret once', () => {
  const person = { login: 'admin', password: 'very-long' };
  const client = { clientId: 'admin', clientSecret: 'very-secret' };
  const credential = { ...person, ...client, secretsPath: '/data/secrets.json' };
  expect(credentialText({ ...credential, shownBefore: false })).toMatch(/very-long[^]*very-secret/);
  expect(credentialText({ ...credential, shownBefore: true })).not.toMatch(/very-(secret|long)/);
  expect(credentialText({ ...credential, shownBefore: true })).toContain('/data/secrets.json');
});

describe('the lines to copy', () => {
  const token = { access_token: 'a.b-c_d', token_type: 'Bearer', expires_in: 900, scope: 'admin' } as const;
  const text = tryItText({ gatewayUrl: 'http://127.0.0.1:8080', token, sample });
  const commands = text.split('\n').filter((line) => line.includes('curl'));

  it('are two commands that a shell understands', () => {
    expect(commands).toHaveLength(2);
    for (const command of commands) execFileSync('/bin/sh', ['-n', '-c', command]);
  });

  it('hand the address, the token and a valid body to curl', () => {
    const curl = 'curl() { for word in "$@"; do printf "%s\\n" "$word"; done; }; ';
    const words = execFileSync('/bin/sh', ['-c', curl + (commands[0] ?? '')], { encoding: 'utf8' }).split(
      '\n',
    );
    expect(words).toContain('http://127.0.0.1:8080/v2/models/iris/infer');
    expect(words).toContain('authorization: Bearer a.b-c_d');
    const body: unknown = JSON.parse(words[words.indexOf('-d') + 1] ?? '');
    expect(body).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [6.2, 2.8, 4.8, 1.8] }],
    });
  });
});

it('tells what a version said', () => {
  const prediction = { servedBy: 2, label: [2, 0], probabilities: [0.001, 0.273, 0.726, 0.9, 0.1, 0] };
  expect(predictionText(sample, prediction, 'pinned')).toBe(
    '  pinned: version 2 says virginica (0.0010, 0.2730, 0.7260) for the first of 2 flowers',
  );
});
