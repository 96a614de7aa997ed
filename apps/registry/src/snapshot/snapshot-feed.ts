/**
 * The newest routing table of this process, built once per revision and shared by all who follow it.
 * A change is built after a short pause, so that a burst of changes costs one build; followers only ever get the newest.
 */
import type { Logger } from '#platform/logger';
import { messageOf } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { Notifications } from '../notify/notifications.js';
import { buildSnapshot } from './build-snapshot.js';
import { readRevision, readSnapshotRows } from './snapshot-rows.js';

/** A routing table in the form in which it is sent. */
export interface PublishedSnapshot {
  readonly revision: number;
  readonly json: string;
}

const pauseMs = 10;
const retryMs = 500;

@Injectable()
export class SnapshotFeed implements OnModuleInit, OnModuleDestroy {
  private latest: PublishedSnapshot | undefined;
  private building: Promise<PublishedSnapshot> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly followers = new Set<(snapshot: PublishedSnapshot) => void>();
  private readonly changed = (): void => this.schedule(pauseMs);

  constructor(
    private readonly dataSource: DataSource,
    private readonly notifications: Notifications,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.notifications.on('routing', this.changed);
    this.notifications.on('resync', this.changed);
  }

  onModuleDestroy(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.notifications.off('routing', this.changed);
    this.notifications.off('resync', this.changed);
  }

  /** As of now: one cheap read tells whether the newest one that was built still is. */
  async current(): Promise<PublishedSnapshot> {
    const revision = await readRevision(this.dataSource.manager);
    if (this.latest && this.latest.revision >= revision) return this.latest;
    return this.build();
  }

  /** Calls `follower` for every new revision. @returns ends it */
  follow(follower: (snapshot: PublishedSnapshot) => void): () => void {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }

  private schedule(delayMs: number): void {
    if (this.closed || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.build().catch((error: unknown) => {
        this.logger.warn({ reason: messageOf(error) }, 'the snapshot could not be built; the last one stays');
        this.schedule(retryMs);
      });
    }, delayMs);
    this.timer.unref();
  }

  /** A build that is under way began too early to know the latest change, so another one follows it. */
  private build(): Promise<PublishedSnapshot> {
    const before = this.building;
    const next = (before?.catch(() => undefined) ?? Promise.resolve()).then(() => this.read());
    this.building = next;
    return next.finally(() => {
      if (this.building === next) this.building = undefined;
    });
  }

  private async read(): Promise<PublishedSnapshot> {
    const rows = await readSnapshotRows(this.dataSource, {
      tokenTtlS: this.config.SLUICE_TOKEN_TTL_S,
      masterKey: this.config.SLUICE_MASTER_KEY,
    });
    if (this.latest && this.latest.revision >= rows.revision) return this.latest;
    const issuer = { issuer: this.config.SLUICE_ISSUER, audience: this.config.SLUICE_AUDIENCE };
    const published = { revision: rows.revision, json: JSON.stringify(buildSnapshot(rows, issuer)) };
    this.latest = published;
    for (const follower of this.followers) follower(published);
    return published;
  }
}
