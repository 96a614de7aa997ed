import type { Page } from '#contracts/common';
import type { Delivery, ListDeliveries } from '#contracts/webhooks';
import { WebhookDeliveryEntity } from '#database/entities/webhook.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, LessThan } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { toDelivery } from './webhooks.mapper.js';
import { findWebhook, subjectOf } from './webhooks.service.js';

const PageKey = z.tuple([z.uuid()]);

/** The log of deliveries. */
@Injectable()
export class DeliveriesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  async list(name: string, query: z.output<typeof ListDeliveries>): Promise<Page<Delivery>> {
    const { manager } = this.dataSource;
    const webhook = await findWebhook(manager, name);
    const before = decodePageToken(query.page_token, PageKey);
    const rows = await manager.find(WebhookDeliveryEntity, {
      where: {
        webhook_id: webhook.id,
        ...(query.state ? { state: query.state } : {}),
        ...(before ? { id: LessThan(before[0]) } : {}),
      },
      order: { id: 'DESC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toDelivery), query.page_size, (delivery) => [delivery.id]);
  }

  async replay(name: string, id: string, caller: Caller): Promise<Delivery> {
    const delivery = await this.transactions.write(caller, async (tx) => {
      const webhook = await findWebhook(tx.manager, name);
      const row = await tx.manager.findOne(WebhookDeliveryEntity, {
        where: { id, webhook_id: webhook.id },
        lock: { mode: 'pessimistic_write' },
      });
      if (!row) throw new SluiceError('DELIVERY_NOT_FOUND', `The webhook "${name}" has no delivery ${id}.`);
      const before = toDelivery(row);
      Object.assign(row, { state: 'PENDING', attempts: 0, next_attempt_at: new Date(), finished_at: null });
      const after = toDelivery(await tx.manager.save(row));
      await tx.audit({ action: 'webhook.replay', subject: subjectOf(webhook), before, after });
      return after;
    });
    await this.jobs.lookAgain('webhooks');
    return delivery;
  }
}
