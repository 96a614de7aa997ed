import { limitText, outageNames, subjectText } from '#wording/quotas';
import { command } from '../../command.js';
import { limitHelp, limitOption, readList } from '../../pages.js';
import { showList } from '../../show.js';

export const quotasList = command({
  name: 'quotas list',
  summary: 'List quotas: how much, of whom, and what holds without the registry',
  options: limitOption,
  help: limitHelp,
  watches: 'quota',
  run: async ({ client, options, io, json }) => {
    const quotas = await readList((query) => client.quotas.list({ query }), options.limit, io);
    showList({ io, json }, quotas, ['QUOTA', 'LIMIT', 'OF', 'MODE', 'OUTAGE'], (quota) => [
      quota.name,
      limitText(quota, quota.limit),
      subjectText(quota),
      quota.mode,
      outageNames[quota.outage],
    ]);
    return undefined;
  },
});
