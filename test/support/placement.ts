import { Transactions } from '#database/transactions';
import { createLogger } from '#platform/logger';
import { PlacementService } from '../../apps/registry/src/nodes/placement.service.js';
import type { TestRegistry } from './registry.js';

/** One look of the worker, now: tests of placement need no queue and no waiting. */
export const place = (registry: TestRegistry): Promise<void> =>
  new PlacementService(new Transactions(registry.dataSource), createLogger('worker', 'silent')).run();
