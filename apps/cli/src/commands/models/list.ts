import { command } from '../../command.js';
import { limitHelp, limitOption, readList } from '../../pages.js';
import { showList } from '../../show.js';
import { aliasesText } from './words.js';

export const modelsList = command({
  name: 'models list',
  summary: 'List models with their newest version and aliases',
  options: { ...limitOption, contains: { type: 'string' } },
  help: { ...limitHelp, contains: 'only names that contain this' },
  watches: 'model,version,alias',
  run: async ({ client, options, io, json }) => {
    const name_contains = options.contains;
    const models = await readList(
      (page) => client.models.list({ query: { ...page, ...(name_contains ? { name_contains } : {}) } }),
      options.limit,
      io,
    );
    showList({ io, json }, models, ['MODEL', 'NEWEST', 'ALIASES', 'UPDATED'], (model) => [
      model.name,
      String(model.latest_version ?? '-'),
      aliasesText(model.aliases),
      model.updated_at,
    ]);
    return undefined;
  },
});
