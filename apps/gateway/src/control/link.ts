/** The link to the registry: credential and snapshots, from start to close. */
import type { Logger } from '#platform/logger';
import { runInSlices } from '#platform/time-slices';
import type { Snapshot } from '#contracts/snapshot';
import type { GatewaySettings } from '../config.js';
import type { Core } from '../data-plane/core.js';
import { keepCredential } from './credential.js';
import type { GatewayFiles } from './files.js';
import { follow } from './follow.js';
import { SnapshotReader } from './snapshot-reader.js';

export interface Link {
  readonly firstSnapshot: Promise<void>;
  close(): Promise<void>;
}

/** A promise to settle from outside. */
class Signal {
  fire: () => void = () => undefined;
  readonly fired = new Promise<void>((resolve) => (this.fire = resolve));
}

/** Saves the last good snapshot; the gateway serves on without the copy, so a failure is only told. */
function keep(snapshot: Snapshot, text: string, files: GatewayFiles, logger: Logger): void {
  logger.info({ revision: snapshot.revision, endpoints: snapshot.endpoints.length }, 'snapshot applied');
  files.snapshot
    .writeText(text, true)
    .catch((error: unknown) => logger.error({ err: error }, 'the snapshot cannot be saved'));
}

async function takeIn(core: Core, reader: SnapshotReader, text: string): Promise<Snapshot> {
  const snapshot = await runInSlices(reader.read(text));
  await runInSlices(core.applying(snapshot));
  return snapshot;
}

/** Opens the link; it lasts until it is closed. */
export function startLink(core: Core, settings: GatewaySettings, files: GatewayFiles, logger: Logger): Link {
  const stop = new AbortController();
  const credential = new Signal();
  const firstSnapshot = new Signal();
  const reader = new SnapshotReader();
  const { SLUICE_REGISTRY_URL: registryUrl, SLUICE_GATEWAY_NAME: name } = settings;
  const keeping = keepCredential(
    {
      registryUrl,
      joinToken: settings.SLUICE_GATEWAY_JOIN_TOKEN,
      name,
      file: files.credential,
      use(text) {
        core.credential = text;
        credential.fire();
      },
      logger,
    },
    stop.signal,
  );
  const following = credential.fired.then(() =>
    follow(
      {
        registryUrl,
        credential: () => core.credential,
        async apply(text) {
          const snapshot = await takeIn(core, reader, text);
          firstSnapshot.fire();
          keep(snapshot, text, files, logger);
        },
        heard: () => (core.freshAtMs = Date.now()),
        logger,
      },
      stop.signal,
    ),
  );
  return {
    firstSnapshot: firstSnapshot.fired,
    async close() {
      stop.abort();
      // The follower may still wait for a credential that never came.
      credential.fire();
      await Promise.all([keeping, following, files.snapshot.idle()]);
    },
  };
}
