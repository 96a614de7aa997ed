/** The job that sends: makes new events into deliveries, then makes the attempts that are due. */
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { request } from 'undici';
import type { Agent } from 'undici';
import { fromStored } from '../auth/key-seal.js';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { newestNumber, numberEvents } from '../events/event-log.js';
import { outboundAgent, requirePublicHost } from '../http/outbound.js';
import { claimDue, finish, forgetOld, takeEvents } from './delivery-store.js';
import type { DueDelivery } from './delivery-store.js';
import { settle } from './retry.js';
import type { Attempt } from './retry.js';
import { signedHeaders } from './signature.js';

const attemptsAtOnce = 16;
/** Longer than an attempt can take. */
const claimMs = 60_000;

@Injectable()
export class WebhookDispatcher implements OnModuleDestroy {
  private readonly agent: Agent;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.agent = outboundAgent(config.SLUICE_WEBHOOK_PRIVATE_ADDRESSES);
  }

  async onModuleDestroy(): Promise<void> {
    await this.agent.close();
  }

  async run(): Promise<void> {
    await numberEvents(this.dataSource);
    const newest = await newestNumber(this.dataSource.manager);
    while (await this.dataSource.transaction((manager) => takeEvents(manager, newest)));
    for (;;) {
      const due = await claimDue(this.dataSource.manager, attemptsAtOnce, claimMs);
      await Promise.all(due.map((delivery) => this.deliver(delivery)));
      if (due.length < attemptsAtOnce) break;
    }
    await forgetOld(this.dataSource.manager);
  }

  private async deliver(delivery: DueDelivery): Promise<void> {
    const attempt = await this.attempt(delivery);
    const outcome = settle(attempt, delivery.row.attempts, Math.random());
    await finish(this.dataSource.manager, delivery.row, attempt, outcome);
    if (outcome.state === 'FAILED')
      this.logger.warn({ webhook: delivery.webhook.name, delivery: delivery.row.id }, 'a delivery failed');
  }

  private async attempt({ row, webhook }: DueDelivery): Promise<Attempt> {
    const body = JSON.stringify(row.event);
    try {
      if (!this.config.SLUICE_WEBHOOK_PRIVATE_ADDRESSES) requirePublicHost(webhook.url);
      const secret = fromStored(webhook.secret, webhook.id, this.config.SLUICE_MASTER_KEY);
      const answer = await request(webhook.url, {
        dispatcher: this.agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'sluice',
          ...signedHeaders(row.id, Math.floor(Date.now() / 1_000), body, secret),
        },
        body,
      });
      await answer.body.dump();
      return { kind: 'answered', status: answer.statusCode };
    } catch (error) {
      return { kind: 'unanswered', reason: messageOf(error) };
    }
  }
}
