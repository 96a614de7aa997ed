import { command } from '../../command.js';
import { limitHelp, limitOption, readList } from '../../pages.js';
import { showList } from '../../show.js';

export const versionsList = command({
  name: 'versions list',
  summary: 'List the versions of a model, newest first',
  args: ['model'],
  options: limitOption,
  help: limitHelp,
  watches: 'version,alias',
  run: async ({ client, args, options, io, json }) => {
    const params = { model: args.model };
    const versions = await readList((query) => client.versions.list({ params, query }), options.limit, io);
    showList({ io, json }, versions, ['VERSION', 'STATUS', 'ALIASES', 'CREATED', 'BY'], (version) => [
      String(version.version),
      version.status,
      version.aliases.join(', ') || '-',
      version.created_at,
      version.created_by,
    ]);
    return undefined;
  },
});
