import { command } from '../../command.js';
import { fields } from '../../output.js';
import { showJson } from '../../show.js';
import { aliasesText } from './words.js';

export const modelsShow = command({
  name: 'models show',
  summary: 'Show a model',
  args: ['model'],
  watches: 'model,version,alias',
  run: async ({ client, args, io, json }) => {
    const model = await client.models.read({ params: { model: args.model } });
    if (json) showJson({ io }, model);
    else
      io.stdout(
        fields(io, [
          ['model', model.name],
          ['description', model.description || '-'],
          ['newest', String(model.latest_version ?? '-')],
          ['aliases', aliasesText(model.aliases)],
          [
            'tags',
            Object.entries(model.tags)
              .map((tag) => tag.join('='))
              .join(', ') || '-',
          ],
          ['archived', model.archived_at ?? 'no'],
          ['created', model.created_at],
        ]),
      );
    return undefined;
  },
});
