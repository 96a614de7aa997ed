import { noTraffic } from '#contracts/endpoints';
import type { Endpoint, Traffic, TrafficRevision } from '#contracts/endpoints';
import type { EndpointEntity, TrafficRevisionEntity } from '#database/entities/endpoint.entity';
import type { z } from 'zod';

/** Rows that an earlier version wrote lack what it did not know. */
const toTraffic = (saved: Partial<Traffic>): Traffic => ({ ...noTraffic, ...saved });

export const toEndpoint = (row: EndpointEntity, model: string): Endpoint => ({
  id: row.id,
  name: row.name,
  model,
  traffic: toTraffic(row.traffic),
  revision: row.revision,
  updated_at: row.updated_at.toISOString(),
  updated_by: row.updated_by,
});

export const toTrafficRevision = (row: TrafficRevisionEntity): z.output<typeof TrafficRevision> => ({
  revision: row.revision,
  traffic: toTraffic(row.traffic),
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
});
