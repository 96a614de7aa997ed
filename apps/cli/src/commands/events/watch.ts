import type { ChangeEvent } from '#contracts/events';
import { followEvents } from '#client/follow-events';
import { messageOf } from '#platform/errors';
import { command } from '../../command.js';
import { UsageError, exitCodes } from '../../exit-code.js';
import { printable } from '../../output.js';
import type { Io } from '../../output.js';
import { showJson } from '../../show.js';

export const eventsWatch = command({
  name: 'events watch',
  summary: 'Tell what changes, as it happens, through breaks of the connection; a line each',
  options: {
    types: { type: 'string' },
    subject: { type: 'string' },
    after: { type: 'string' },
    watch: { type: 'boolean' },
  },
  help: {
    types: 'version.ready, or nouns such as version,alias',
    subject: 'only subjects that begin with this: models/iris',
    after: 'the number of the last event that is known',
    watch: 'may be said; this command does nothing else',
  },
  run: async ({ connection, options, io, json, signal }) => {
    const choice = {
      ...(options.types === undefined ? {} : { types: options.types }),
      ...(options.subject === undefined ? {} : { subject_prefix: options.subject }),
      ...(options.after === undefined ? {} : { after: numberOf(options.after) }),
    };
    for await (const event of followEvents(connection, choice, signal))
      switch (event.kind) {
        case 'change':
          if (json) showJson({ io }, event.change, true);
          else io.stdout(lineOf(event.change));
          break;
        case 'reset':
          io.stderr('Changes before this are not kept any more.\n');
          break;
        case 'unreadable':
          io.stderr(`Event ${event.id ?? '?'} cannot be read by this version of sluice.\n`);
          break;
        case 'interrupted':
          tellBreak(io, event);
          break;
      }
    return exitCodes.ok;
  },
});

function numberOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError('--after must be the number of an event');
  return Number(text);
}

const lineOf = ({ at, type, subject, actor }: ChangeEvent): string =>
  `${[at, type, subject, actor].map(printable).join('  ')}\n`;

export function tellBreak(io: Io, { error }: { readonly error: unknown }): void {
  io.stderr(`Interrupted (${printable(messageOf(error))}); it goes on as soon as it can.\n`);
}
