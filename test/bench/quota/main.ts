/** `npm run bench:quota`: writes its section of docs/benchmarks.md. With `--quick` it only prints, after less time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '#client/client';
import { createLogger } from '#platform/logger';
import { createApp } from '../../../apps/registry/src/app.js';
import { loadConfig } from '../../../apps/registry/src/config.js';
import { migrate, openDatabase } from '../../../apps/registry/src/schema.js';
import { createDatabase, startServer } from '../../support/postgres.js';
import { machine } from '../processes.js';
import { writeSection } from '../report.js';
import { admissionPart } from './admission.js';
import { ledgerPart } from './ledger.js';
import type { LedgerStage } from './ledger.js';

const quick = process.argv.includes('--quick');
const secret = 'a-secret-for-the-benchmark';

async function openStage(folder: string): Promise<LedgerStage & { close(): Promise<void> }> {
  const server = await startServer();
  const database = await createDatabase(server.url);
  await migrate(database.url);
  const config = loadConfig({
    DATABASE_URL: database.url,
    SLUICE_REGISTRY_PORT: '0',
    SLUICE_ARTIFACTS_DIR: folder,
    SLUICE_NODE_JOIN_TOKEN: secret,
    SLUICE_GATEWAY_JOIN_TOKEN: secret,
    SLUICE_ADMIN_CLIENT_SECRET: secret,
    SLUICE_LOG_LEVEL: 'silent',
  });
  const dataSource = await openDatabase(database.url, config.SLUICE_DATABASE_CONNECTIONS);
  const app = await createApp({ config, logger: createLogger('registry', 'silent'), dataSource });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = await app.getUrl();
  const clientWith = (token: string) => createClient({ baseUrl: url, token: () => token });
  const { access_token: token } = await createClient({ baseUrl: url }).auth.token({
    body: { grant_type: 'client_credentials', client_id: 'admin', client_secret: secret },
  });
  const joined = await clientWith(secret).gateways.register({
    body: { name: 'bench', program_version: '0.1.0' },
  });
  return {
    url,
    admin: clientWith(token),
    gateway: clientWith(joined.credential),
    async close() {
      await app.close();
      await server.stop();
    },
  };
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-quota-'));
const parts = [`Machine: ${machine()}; ${new Date().toISOString().slice(0, 10)}.`];
const show = (part: string): void => {
  parts.push(part);
  process.stdout.write(`${part}\n\n`);
};
show(admissionPart());
const stage = await openStage(folder);
try {
  show(await ledgerPart(stage, quick ? 1_000 : 4_000));
} finally {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
}
if (!quick) writeSection('quota', parts.join('\n\n'));
