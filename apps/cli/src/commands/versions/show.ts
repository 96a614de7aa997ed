import type { Version } from '#contracts/models';
import type { TensorSpec } from '#contracts/tensors';
import { bytesText } from '#wording/text';
import { command } from '../../command.js';
import { exitCodes } from '../../exit-code.js';
import type { ExitCode } from '../../exit-code.js';
import { fields } from '../../output.js';
import { showJson } from '../../show.js';

export const versionsShow = command({
  name: 'versions show',
  summary: 'Show a version; with --watch until it is READY (0) or FAILED (1)',
  args: ['model', 'version'],
  watches: 'version,alias',
  run: async ({ client, args, io, json }) => {
    const version = await client.versions.read({ params: { model: args.model, version: args.version } });
    if (json) showJson({ io }, version);
    else io.stdout(fields(io, fieldsOf(version)));
    return outcomeOf(version);
  },
});

function outcomeOf({ status }: Version): ExitCode | undefined {
  switch (status) {
    case 'PENDING':
      return undefined;
    case 'READY':
      return exitCodes.ok;
    case 'FAILED':
      return exitCodes.failure;
  }
}

function fieldsOf(version: Version): [string, string][] {
  const { signature, profile } = version;
  return [
    ['version', `${version.model}/${version.version}`],
    ['status', version.status],
    ...(version.status_reason === null ? [] : [['reason', version.status_reason] as [string, string]]),
    ['aliases', version.aliases.join(', ') || '-'],
    ['files', version.files.map(({ path }) => path).join(', ') || '-'],
    ...(signature
      ? ([
          ['inputs', signature.inputs.map(tensorText).join(', ')],
          ['outputs', signature.outputs.map(tensorText).join(', ')],
        ] as [string, string][])
      : []),
    ...(profile
      ? ([['profile', `${profile.latency_ms.toFixed(2)} ms, ${bytesText(profile.memory_bytes)}`]] as [
          string,
          string,
        ][])
      : []),
    ['created', `${version.created_at} by ${version.created_by}`],
  ];
}

const tensorText = ({ name, datatype, shape }: TensorSpec): string =>
  `${name} ${datatype}[${shape.join(',')}]`;
