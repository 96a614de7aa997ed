import { bytesText } from '#wording/text';
import { command } from '../../command.js';
import { limitHelp, limitOption, readList } from '../../pages.js';
import { showList } from '../../show.js';

export const nodesList = command({
  name: 'nodes list',
  summary: 'List nodes with their replicas',
  options: limitOption,
  help: limitHelp,
  watches: 'node,version,endpoint,alias',
  run: async ({ client, options, io, json }) => {
    const nodes = await readList((query) => client.nodes.list({ query }), options.limit, io);
    showList({ io, json }, nodes, ['NODE', 'STATE', 'CORES', 'MEMORY', 'REPLICAS', 'ADDRESS'], (node) => [
      node.name,
      node.state,
      node.capacity ? String(node.capacity.cores) : 'external',
      node.capacity ? bytesText(node.capacity.memory_bytes) : '-',
      node.replicas.map(({ model, version, state }) => `${model}/${version} ${state}`).join(', ') || '-',
      node.address,
    ]);
    return undefined;
  },
});
