/**
 * The job that sends usage on. Events are deleted in the transaction in which they were taken, so whatever dies, they are sent again
 * and none is lost; their ids never change, so the receiver counts none twice. One worker sends at a time.
 */
import type { UsageEvent } from '#contracts/usage-export';
import { UsageEventEntity, UsageExportEntity } from '#database/entities/usage.entity';
import { messageOf } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { DataSource, LessThanOrEqual } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { request } from 'undici';
import type { Agent } from 'undici';
import { fromStored } from '../auth/key-seal.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { outboundAgent, requirePublicHost } from '../http/outbound.js';
import { exportId, tokenName } from './usage-export.service.js';

const eventsPerBatch = 500;
const firstWaitMs = 2_000;
const maxWaitMs = 600_000;

/** Doubles with each failure in a row. */
export const exportWaitMs = (failures: number): number =>
  Math.min(maxWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 20));

export const toEvent = ({ source, sequence, position, row }: UsageEventEntity): UsageEvent => {
  const { hour, ...data } = row;
  return {
    specversion: '1.0',
    id: `${sequence}-${position}`,
    source: `urn:sluice:usage:${source}`,
    type: 'sluice.usage',
    subject: row.team === '' ? row.client_id : row.team,
    time: hour,
    datacontenttype: 'application/json',
    data,
  };
};

@Injectable()
export class UsageExporter implements OnModuleDestroy {
  private readonly agent: Agent;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {
    this.agent = outboundAgent(config.SLUICE_WEBHOOK_PRIVATE_ADDRESSES);
  }

  async onModuleDestroy(): Promise<void> {
    await this.agent.close();
  }

  async run(): Promise<void> {
    while (await this.dataSource.transaction((manager) => this.sendBatch(manager)));
  }

  /** @returns whether there may be more to send now */
  private async sendBatch(manager: EntityManager): Promise<boolean> {
    const target = await manager.findOne(UsageExportEntity, {
      where: { id: exportId, next_attempt_at: LessThanOrEqual(new Date()) },
      lock: { mode: 'pessimistic_write', onLocked: 'skip_locked' },
    });
    if (!target) return false;
    const rows = await manager.find(UsageEventEntity, {
      order: { source: 'ASC', sequence: 'ASC', position: 'ASC' },
      take: eventsPerBatch,
    });
    if (rows.length === 0) return false;
    const problem = await this.post(target, rows.map(toEvent));
    if (problem === undefined) await manager.remove(rows);
    const failures = problem === undefined ? 0 : target.failures + 1;
    await manager.update(
      UsageExportEntity,
      { id: exportId },
      {
        failures,
        last_error: problem ?? null,
        ...(problem === undefined
          ? { delivered_at: new Date() }
          : { next_attempt_at: new Date(Date.now() + exportWaitMs(failures)) }),
      },
    );
    return problem === undefined && rows.length === eventsPerBatch;
  }

  /** @returns why it was not taken */
  private async post({ url, token }: UsageExportEntity, events: UsageEvent[]): Promise<string | undefined> {
    try {
      if (!this.config.SLUICE_WEBHOOK_PRIVATE_ADDRESSES) requirePublicHost(url);
      const bearer = token && fromStored(token, tokenName, this.config.SLUICE_MASTER_KEY);
      const answer = await request(url, {
        dispatcher: this.agent,
        method: 'POST',
        headers: {
          'content-type': 'application/cloudevents-batch+json',
          'user-agent': 'sluice',
          ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
        },
        body: JSON.stringify(events),
      });
      await answer.body.dump();
      const isTaken = answer.statusCode >= 200 && answer.statusCode < 300;
      return isTaken ? undefined : `It answered ${answer.statusCode}.`;
    } catch (error) {
      return messageOf(error).slice(0, 500);
    }
  }
}
