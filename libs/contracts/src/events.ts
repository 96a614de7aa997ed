/** Events: what changed, in the order in which it can be followed and resumed. */
import { z } from 'zod';
import { Id, Timestamp } from './common.js';
import type { Scope } from './scopes.js';

export const ChangeEvent = z
  .object({
    number: z.int().min(1).describe('Grows; the place to resume from'),
    id: Id,
    at: Timestamp,
    type: z.string().describe('`noun.verb`: `version.ready`, `alias.set`, `node.lost`, …'),
    subject: z.string().describe('What changed, as a path: `models/iris/versions/2`'),
    actor: z.string(),
    data: z.unknown().describe('The thing after the change; when it is gone, before it'),
  })
  .meta({ id: 'ChangeEvent' });
export type ChangeEvent = z.infer<typeof ChangeEvent>;

/** Types to choose from the events: `version.ready`, or a noun for all of its verbs. */
export const EventType = z
  .string()
  .max(100)
  .regex(/^[a-z_]+(\.[a-z_]+)?$/, 'must be a type ("version.ready") or a noun ("version")');

export const FollowEvents = z.strictObject({
  types: z
    .string()
    .max(2_000)
    .transform((text) => text.split(','))
    .pipe(z.array(EventType))
    .optional()
    .describe('Comma-separated types (`version.ready`) or nouns (`version`); default all'),
  subject_prefix: z.string().max(1_024).optional(),
  after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Number of the last event that is known; the header Last-Event-ID wins. Default: from now on'),
});

/** Names of the server-sent events: one per change; `reset` when events after the asked place are no longer kept. */
export const changeEventName = 'change';
export const resetEventName = 'reset';

const nounScopes: Readonly<Record<string, Scope>> = {
  model: 'models:read',
  version: 'models:read',
  config: 'models:read',
  alias: 'models:read',
  endpoint: 'endpoints:read',
  node: 'nodes:read',
  external_node: 'nodes:read',
  experiment: 'runs:read',
  run: 'runs:read',
  study: 'runs:read',
  team: 'teams:read',
  person: 'people:read',
  client: 'clients:read',
  quota: 'quotas:read',
  webhook: 'webhooks:read',
};

const nounOf = (type: string): string => type.split('.', 1)[0] ?? '';

/** The scope that a reader of the event needs. What has no reader's scope of its own needs that of the audit log. */
export const eventScope = (type: string): Scope => nounScopes[nounOf(type)] ?? 'audit:read';

/** Whether an event's type is among the chosen types and nouns. */
export const matchesType = (type: string, chosen: readonly string[]): boolean =>
  chosen.includes(type) || chosen.includes(nounOf(type));
