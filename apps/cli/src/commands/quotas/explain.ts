import { amountText, limitText } from '#wording/quotas';
import { command } from '../../command.js';
import { table } from '../../output.js';
import { showJson } from '../../show.js';

export const quotasExplain = command({
  name: 'quotas explain',
  summary: 'Say which quotas apply to a client, how they stand, and which of them deny it',
  args: ['client'],
  options: { endpoint: { type: 'string' } },
  help: { endpoint: 'only what applies to this one' },
  run: async ({ client, args, options: { endpoint }, io, json }) => {
    const query = { client_id: args.client, ...(endpoint === undefined ? {} : { endpoint }) };
    const explanation = await client.quotas.explain({ query });
    if (json) {
      showJson({ io }, explanation);
      return undefined;
    }
    const { client_id: clientId, team, denied_by: deniedBy, quotas } = explanation;
    const verdict = deniedBy.length > 0 ? `is denied by ${deniedBy.join(' and ')}` : 'is denied by no quota';
    io.stderr(`${clientId} of team ${team} ${verdict}.\n`);
    const rows = quotas.map(({ quota, state, limit, used, reserved, left, resets_at: resetsAt }) => [
      quota.name,
      state,
      limitText(quota, limit),
      amountText(quota.unit, Math.max(0, used)),
      amountText(quota.unit, reserved),
      amountText(quota.unit, left),
      resetsAt ?? '-',
    ]);
    if (rows.length > 0)
      io.stdout(table(io, ['QUOTA', 'STATE', 'LIMIT', 'USED', 'RESERVED', 'LEFT', 'RESETS'], rows));
    return undefined;
  },
});
