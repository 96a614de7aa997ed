/** The program `registry reconcile`: compares what gateways say that they served with what is billed. Ends with 1 when they differ. */
import { usageUnits } from '#contracts/usage';
import type { UsageTotals } from '#contracts/usage';
import { loadEnv } from '#platform/env';
import { messageOf } from '#platform/errors';
import { DatabaseSettings } from './config.js';
import { openDatabase } from './schema.js';
import { readAccounts } from './usage/reconciliation.js';

const told = (totals: UsageTotals): string => usageUnits.map((unit) => `${unit} ${totals[unit]}`).join(', ');

try {
  const dataSource = await openDatabase(loadEnv(DatabaseSettings).DATABASE_URL, 2);
  let account;
  try {
    account = await dataSource.transaction('REPEATABLE READ', readAccounts);
  } finally {
    await dataSource.destroy();
  }
  const lines = [
    ...account.sources.map(({ gateway, source, taken }) => `${gateway} (${source}): ${told(taken)}`),
    `billed: ${told(account.billed)}`,
    `still to be sent: ${told(account.waiting)}`,
    `lost by gateways without room: ${told(account.lost)}`,
    ...account.drifts.map(
      ({ where, unit, expected, counted }) =>
        `DRIFT ${where}: ${unit} ${expected} served, ${counted} counted`,
    ),
    `drift: ${account.drifts.length === 0 ? 0 : 'see above'}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (account.drifts.length > 0) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`sluice reconcile: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
