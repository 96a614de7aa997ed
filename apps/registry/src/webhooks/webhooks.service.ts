/** Webhooks as people set them up. Nobody can have events sent that their own token may not read. */
import type { Page } from '#contracts/common';
import { eventScope } from '#contracts/events';
import { allows } from '#contracts/scopes';
import type {
  CreateWebhook,
  ListWebhooks,
  UpdateWebhook,
  Webhook,
  WebhookWithSecret,
} from '#contracts/webhooks';
import { webhookTestType } from '#contracts/webhooks';
import { WebhookEntity } from '#database/entities/webhook.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { toStored } from '../auth/key-seal.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { newestNumber, numberEvents } from '../events/event-log.js';
import type { Caller } from '../http/caller.js';
import { requirePublicHost } from '../http/outbound.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { JobQueue } from '../jobs/job-queue.js';
import { makeSecret } from './signature.js';
import { toWebhook } from './webhooks.mapper.js';

const PageKey = z.tuple([z.string()]);

@Injectable()
export class WebhooksService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  async create(input: z.output<typeof CreateWebhook>, caller: Caller): Promise<WebhookWithSecret> {
    requireReadable(input.types, caller);
    this.requireReachable(input.url);
    const secret = makeSecret();
    const place = await this.now();
    return this.transactions.write(caller, async (tx) => {
      const now = new Date();
      const id = uuidv7();
      const row: WebhookEntity = {
        id,
        ...input,
        secret: this.sealed(secret, id),
        enabled: true,
        place,
        created_at: now,
        created_by: caller.subject,
        updated_at: now,
      };
      await tx.manager.insert(WebhookEntity, row).catch((error: unknown) => {
        if (violatedConstraint(error) !== 'webhooks_name_key') throw error;
        throw new SluiceError('ALREADY_EXISTS', `There is a webhook "${row.name}" already.`);
      });
      await tx.audit({ action: 'webhook.create', subject: subjectOf(row), after: toWebhook(row) });
      return { ...toWebhook(row), secret };
    });
  }

  async list(query: z.output<typeof ListWebhooks>): Promise<Page<Webhook>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(WebhookEntity).find({
      where: after ? { name: MoreThan(after[0]) } : {},
      order: { name: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toWebhook), query.page_size, (webhook) => [webhook.name]);
  }

  async read(name: string): Promise<Webhook> {
    return toWebhook(await findWebhook(this.dataSource.manager, name));
  }

  async update(name: string, input: z.output<typeof UpdateWebhook>, caller: Caller): Promise<Webhook> {
    if (input.types) requireReadable(input.types, caller);
    if (input.url !== undefined) this.requireReachable(input.url);
    const place = await this.now();
    return this.transactions.write(caller, async (tx) => {
      const row = await lockWebhook(tx, name);
      const before = toWebhook(row);
      // What happened while it was off is not sent afterwards.
      if (input.enabled === true && !row.enabled) row.place = place;
      Object.assign(row, input, { updated_at: new Date() });
      const after = toWebhook(await tx.manager.save(row));
      await tx.audit({ action: 'webhook.update', subject: subjectOf(row), before, after });
      return after;
    });
  }

  remove(name: string, caller: Caller): Promise<void> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockWebhook(tx, name);
      await tx.manager.delete(WebhookEntity, { id: row.id });
      await tx.audit({ action: 'webhook.delete', subject: subjectOf(row), before: toWebhook(row) });
    });
  }

  rotateSecret(name: string, caller: Caller): Promise<WebhookWithSecret> {
    const secret = makeSecret();
    return this.transactions.write(caller, async (tx) => {
      const row = await lockWebhook(tx, name);
      const before = toWebhook(row);
      row.secret = this.sealed(secret, row.id);
      row.updated_at = new Date();
      const after = toWebhook(await tx.manager.save(row));
      await tx.audit({ action: 'webhook.rotate_secret', subject: subjectOf(row), before, after });
      return { ...after, secret };
    });
  }

  async test(name: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await findWebhook(tx.manager, name);
      await tx.audit({ action: webhookTestType, subject: subjectOf(row), after: toWebhook(row) });
    });
    await this.jobs.lookAgain('webhooks');
  }

  private sealed(secret: string, id: string): string {
    return toStored(secret, id, this.config.SLUICE_MASTER_KEY);
  }

  /** A name is looked up only when something is sent: it may point elsewhere by then. */
  private requireReachable(url: string): void {
    if (this.config.SLUICE_WEBHOOK_PRIVATE_ADDRESSES) return;
    try {
      requirePublicHost(url);
    } catch (cause) {
      const message = 'must not be an address of a private network';
      const fields = [{ path: 'body.url', message }];
      throw new SluiceError('INVALID_REQUEST', `body.url: ${message}`, { fields, cause });
    }
  }

  /** Webhooks tell what comes after this. */
  private async now(): Promise<number> {
    await numberEvents(this.dataSource);
    return newestNumber(this.dataSource.manager);
  }
}

export const subjectOf = (row: Pick<WebhookEntity, 'name'>): string => `webhooks/${row.name}`;

/** @throws SluiceError WEBHOOK_NOT_FOUND */
export async function findWebhook(manager: EntityManager, name: string): Promise<WebhookEntity> {
  const row = await manager.findOneBy(WebhookEntity, { name });
  if (row) return row;
  throw new SluiceError('WEBHOOK_NOT_FOUND', `There is no webhook "${name}".`);
}

async function lockWebhook(tx: WriteContext, name: string): Promise<WebhookEntity> {
  const { id } = await findWebhook(tx.manager, name);
  return tx.manager.findOneOrFail(WebhookEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
}

function requireReadable(types: readonly string[], caller: Caller): void {
  const missing = new Set(types.map(eventScope).filter((scope) => !allows(caller.scopes, scope)));
  if (missing.size === 0) return;
  throw new SluiceError('FORBIDDEN', `These events may be read only with ${[...missing].join(' and ')}.`);
}
