import type { Command } from './command.js';
import { endpointsList } from './commands/endpoints/list.js';
import { endpointsShow } from './commands/endpoints/show.js';
import { eventsWatch } from './commands/events/watch.js';
import { modelsList } from './commands/models/list.js';
import { modelsShow } from './commands/models/show.js';
import { nodesList } from './commands/nodes/list.js';
import { quotasExplain } from './commands/quotas/explain.js';
import { quotasList } from './commands/quotas/list.js';
import { versionsList } from './commands/versions/list.js';
import { versionsShow } from './commands/versions/show.js';

/** One line per command, in the order of the help. */
export const commands: readonly Command[] = [
  modelsList,
  modelsShow,
  versionsList,
  versionsShow,
  endpointsList,
  endpointsShow,
  quotasList,
  quotasExplain,
  nodesList,
  eventsWatch,
];
