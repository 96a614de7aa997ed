/** The gateway put together: data plane, control side and admin server, and how they start and end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '#client/client';
import type { SluiceClient } from '#client/client';
import type { Logger } from '#platform/logger';
import { openSpans } from '#platform/open-spans';
import { ServerTls } from '#platform/server-tls';
import { startAdmin } from './admin/admin.js';
import { openAccessLog } from './access-log-file.js';
import { dataPlaneSettings, listenSettings, tlsSettings } from './config.js';
import type { GatewaySettings } from './config.js';
import { ExternalChecks } from './control/check-external.js';
import { openFiles } from './control/files.js';
import type { GatewayFiles } from './control/files.js';
import { IdentityReports } from './control/identity-reports.js';
import { LeaseLink } from './control/lease-link.js';
import { startLink } from './control/link.js';
import { SnapshotIntake } from './control/snapshot-intake.js';
import { probeEjected } from './control/probe-ejected.js';
import { UsageJournal } from './control/usage-journal.js';
import { UsageSender } from './control/usage-sender.js';
import { Core } from './data-plane/core.js';
import { listen } from './data-plane/server.js';
import { followNodeTls } from './node-tls.js';

export interface Gateway {
  readonly url: string;
  readonly adminUrl: string;
  readonly core: Core;
  /** Resolves when there is a snapshot to serve from, fresh or saved. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

async function openTls(settings: GatewaySettings, logger: Logger): Promise<ServerTls | undefined> {
  const files = tlsSettings(settings);
  return files && (await ServerTls.open(files, logger));
}

function startLeases(
  core: Core,
  registry: SluiceClient,
  settings: GatewaySettings,
  logger: Logger,
): LeaseLink {
  const leases = new LeaseLink(core.leases, {
    call: (body, signal) => registry.quotas.lease({ body, signal }),
    holdMs: settings.SLUICE_GATEWAY_MAX_TIMEOUT_MS,
    logger,
  });
  leases.start();
  return leases;
}

async function startUsage(
  core: Core,
  registry: SluiceClient,
  files: GatewayFiles,
  settings: GatewaySettings,
  logger: Logger,
): Promise<UsageSender> {
  const usage = await UsageSender.start({
    meter: core.usage,
    file: files.usage,
    journal: new UsageJournal(settings.SLUICE_GATEWAY_DATA_DIR, logger),
    send: (body, signal) => registry.usage.report({ body, signal }),
    everyMs: settings.SLUICE_GATEWAY_USAGE_EVERY_MS,
    logger,
  });
  core.usageBacklog = usage.spool;
  return usage;
}

/** Opens what tells of single requests: access log and spans. @returns what closes them */
async function openRecords(
  core: Core,
  settings: GatewaySettings,
  logger: Logger,
): Promise<() => Promise<unknown>> {
  const { SLUICE_GATEWAY_ACCESS_LOG: file, SLUICE_GATEWAY_ACCESS_LOG_SHARE: share } = settings;
  const accessLog = openAccessLog(file, share, core.random, logger);
  core.accessLog = accessLog?.log;
  core.spans = await openSpans(settings, 'gateway', settings.SLUICE_GATEWAY_NAME, logger);
  return () => Promise.all([accessLog?.close(), core.spans?.close()]);
}

/** Starts a gateway. It listens at once and serves as soon as it has a snapshot. */
export async function startGateway(settings: GatewaySettings, logger: Logger): Promise<Gateway> {
  const { SLUICE_GATEWAY_LEAVE_GRACE_MS: leaveGraceMs } = settings;
  const tls = await openTls(settings, logger);
  const nodeTls = await followNodeTls(settings, logger);
  const core = new Core(
    dataPlaneSettings(settings, () => nodeTls.current),
    logger,
  );
  const closeRecords = await openRecords(core, settings, logger);
  const files = await openFiles(settings.SLUICE_GATEWAY_DATA_DIR, logger);
  const registry = createClient({ baseUrl: settings.SLUICE_REGISTRY_URL, token: () => core.credential });
  const usage = await startUsage(core, registry, files, settings, logger);
  const reports = new IdentityReports(core, registry, logger, settings.SLUICE_GATEWAY_USAGE_EVERY_MS);
  const leases = startLeases(core, registry, settings, logger);
  const intake = new SnapshotIntake(core, files.snapshot, logger);
  const isRestored = await intake.restore();
  const server = await listen(core, listenSettings(settings, tls));
  const admin = await startAdmin(core, settings);
  const link = startLink(core, intake, settings, files, logger);
  const probes = probeEjected(core, logger);
  const checks = new ExternalChecks(core, registry, logger);
  return {
    url: server.url,
    adminUrl: admin.url,
    core,
    ready: isRestored ? Promise.resolve() : link.firstSnapshot,
    async close() {
      core.draining = true;
      // Whoever sends callers here sees that it is not ready, and answers ask for no more on their connections.
      if (leaveGraceMs > 0) await sleep(leaveGraceMs);
      probes.close();
      await checks.close();
      tls?.close();
      nodeTls.close();
      await server.drain();
      core.shadows.close();
      await Promise.all([leases.close(), usage.close(), reports.close()]);
      await Promise.all([link.close(), admin.close(), closeRecords()]);
    },
  };
}
