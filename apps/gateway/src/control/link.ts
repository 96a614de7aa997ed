/** The link to the registry: credential and snapshots, from start to close. */
import type { TextBytes } from '#client/event-stream';
import type { Logger } from '#platform/logger';
import type { GatewaySettings } from '../config.js';
import type { Core } from '../data-plane/core.js';
import { keepCredential } from './credential.js';
import type { GatewayFiles } from './files.js';
import { follow } from './follow.js';
import type { SnapshotIntake } from './snapshot-intake.js';

export interface Link {
  readonly firstSnapshot: Promise<void>;
  close(): Promise<void>;
}

/** A promise to settle from outside. */
class Signal {
  fire: () => void = () => undefined;
  readonly fired = new Promise<void>((resolve) => (this.fire = resolve));
}

/** Opens the link; it lasts until it is closed. */
export function startLink(
  core: Core,
  intake: SnapshotIntake,
  settings: GatewaySettings,
  files: GatewayFiles,
  logger: Logger,
): Link {
  const stop = new AbortController();
  const credential = new Signal();
  const firstSnapshot = new Signal();
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
  const followed = {
    registryUrl,
    credential: () => core.credential,
    apply: (text: TextBytes) => intake.take(text).then(firstSnapshot.fire),
    heard: () => (core.freshAtMs = Date.now()),
    logger,
  };
  const following = credential.fired.then(() => follow(followed, stop.signal));
  return {
    firstSnapshot: firstSnapshot.fired,
    async close() {
      stop.abort();
      // The follower may still wait for a credential that never came.
      credential.fire();
      await Promise.all([keeping, following]);
      await intake.idle();
    },
  };
}
