import { command } from '../../command.js';
import { limitHelp, limitOption, readList } from '../../pages.js';
import { showList } from '../../show.js';
import { splitText } from './words.js';

export const endpointsList = command({
  name: 'endpoints list',
  summary: 'List endpoints with the split of their traffic',
  options: limitOption,
  help: limitHelp,
  watches: 'endpoint',
  run: async ({ client, options, io, json }) => {
    const endpoints = await readList((query) => client.endpoints.list({ query }), options.limit, io);
    showList({ io, json }, endpoints, ['ENDPOINT', 'MODEL', 'SPLIT', 'REVISION', 'BY'], (endpoint) => [
      endpoint.name,
      endpoint.model,
      splitText(endpoint),
      String(endpoint.revision),
      endpoint.updated_by,
    ]);
    return undefined;
  },
});
