import { describe, expect, it } from 'vitest';
import { run } from './cli.js';

/** As far as it comes without anyone to talk to. */
async function sluice(...argv: string[]) {
  const said = { stdout: '', stderr: '' };
  const io = {
    stdout: (text: string) => void (said.stdout += text),
    stderr: (text: string) => void (said.stderr += text),
    colour: false,
  };
  const settings = { SLUICE_TOKEN: 'none', SLUICE_CONFIG: '/nonexistent/config.json' };
  const code = await run(argv, settings, io, new AbortController().signal);
  return { code, ...said };
}

it.each([
  ['modelz list', 'There is no command'],
  ['models', 'list, show'],
  ['models burn', 'list, show'],
  ['models show', '<model>'],
  ['models show a b', '<model>'],
  ['models list --colour', '--colour'],
  ['models list --limit 0', '--limit'],
  ['models list --limit 1e9x', '--limit'],
  ['quotas explain x --watch', 'cannot be watched'],
  ['models list --timeout soon', '--timeout'],
  ['events --after -1', '--after'],
  ['models list --url ftp://x', '--url'],
  ['logout now', 'now'],
])('"sluice %s" ends with 2, shows nothing and says what is wrong', async (line, word) => {
  const { code, stdout, stderr } = await sluice(...line.split(' '));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(word);
});

describe('the help', () => {
  it('names every command, and what the codes mean', async () => {
    const { code, stdout } = await sluice('--help');
    expect(code).toBe(0);
    for (const words of ['models list', 'versions show <model> <version>', 'events watch', '6 timed out'])
      expect(stdout).toContain(words);
    expect(await sluice()).toMatchObject({ code: 2, stdout });
  });

  it('of a command names its options', async () => {
    const { code, stdout } = await sluice('models', 'list', '--help');
    expect(code).toBe(0);
    for (const option of ['--contains <contains>', '--limit', '--watch', '--timeout', '--json'])
      expect(stdout).toContain(option);
    expect((await sluice('login', '--help')).stdout).toContain('--password-stdin');
  });

  it('knows its version', async () => {
    expect((await sluice('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
