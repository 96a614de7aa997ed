/** Webhooks: what changes, sent to an address of the operator's. */
import { z } from 'zod';
import { Id, Name, Timestamp, pageOf, pageQuery } from './common.js';
import { EventType } from './events.js';

export const WebhookParams = z.object({ webhook: Name });
export const DeliveryParams = z.object({ webhook: Name, delivery_id: Id });

const WebhookUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .max(2_048)
  .refine((url) => !URL.canParse(url) || new URL(url).username === '', 'must not hold credentials');
const Types = z
  .array(EventType)
  .min(1)
  .max(100)
  .describe('Types (`version.ready`) or nouns (`version`) of events');
const SubjectPrefix = z.string().max(1_024).describe('Only events whose subject begins so: `models/iris/`');

export const Webhook = z
  .object({
    id: Id,
    name: Name,
    url: WebhookUrl,
    types: Types,
    subject_prefix: SubjectPrefix,
    enabled: z.boolean(),
    created_at: Timestamp,
    created_by: z.string(),
    updated_at: Timestamp,
  })
  .meta({ id: 'Webhook' });
export type Webhook = z.infer<typeof Webhook>;
export const WebhookWithSecret = Webhook.extend({
  secret: z.string().describe('Signs the deliveries; shown this one time'),
}).meta({ id: 'WebhookWithSecret' });
export type WebhookWithSecret = z.infer<typeof WebhookWithSecret>;

export const CreateWebhook = z.strictObject({
  name: Name,
  url: WebhookUrl,
  types: Types,
  subject_prefix: SubjectPrefix.default(''),
});
export const UpdateWebhook = z.strictObject({
  url: WebhookUrl.optional(),
  types: Types.optional(),
  subject_prefix: SubjectPrefix.optional(),
  enabled: z.boolean().optional(),
});
export const ListWebhooks = z.strictObject({ ...pageQuery });
export const WebhookPage = pageOf(Webhook);

export const deliveryStates = ['PENDING', 'DELIVERED', 'FAILED'] as const;
export const DeliveryState = z.enum(deliveryStates);
export type DeliveryState = z.infer<typeof DeliveryState>;

export const Delivery = z
  .object({
    id: Id.describe('Also the header webhook-id, the same at every attempt'),
    event_number: z.int(),
    event_type: z.string(),
    subject: z.string(),
    state: DeliveryState,
    attempts: z.int(),
    next_attempt_at: Timestamp.nullable(),
    response_status: z.int().nullable().describe('Of the last attempt; null: no answer'),
    error: z.string().nullable().describe('Why the last attempt failed'),
    created_at: Timestamp,
    finished_at: Timestamp.nullable(),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof Delivery>;
export const ListDeliveries = z.strictObject({ ...pageQuery, state: DeliveryState.optional() });
export const DeliveryPage = pageOf(Delivery);

/** Of the event that `test` sends; every webhook takes its own. */
export const webhookTestType = 'webhook.test';
