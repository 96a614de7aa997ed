/** The text log of runs: appended in order and once, read by pages, and followed while it grows. */
import { endEventName, lineEventName } from '#contracts/run-lines';
import type { AppendLines, FollowLines, Lines, ReadLines } from '#contracts/run-lines';
import { RunEntity } from '#database/entities/run.entity';
import { Transactions } from '#database/transactions';
import type { Actor } from '#database/transactions';
import { SluiceError, messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { EventFollower } from '../events/event-follower.js';
import { SseConnection } from '../http/sse-connection.js';
import { Notifications } from '../notify/notifications.js';
import { appendLines, lastLine, readLines, readSources } from './line-store.js';

const times = { pingEveryMs: 5_000, stallTimeoutMs: 30_000 };
const linesPerRead = 500;
const LineNumber = z.coerce.number().int().min(0).max(2_147_483_646);

@Injectable()
export class RunLinesService implements OnModuleDestroy {
  private readonly connections = new Set<SseConnection>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly notifications: Notifications,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Ends the streams; their readers resume at another registry, or at this one when it is back. */
  onModuleDestroy(): void {
    for (const connection of this.connections) connection.end();
  }

  /** Also after the end of the run: what a process says last often comes late. */
  append(runId: string, body: z.output<typeof AppendLines>, actor: Actor): Promise<{ next_line: number }> {
    return this.transactions.write(actor, async (tx) => {
      const run = await tx.manager.findOneBy(RunEntity, { id: runId });
      if (!run || run.deleted_at) throw runNotFound(runId);
      const { source, first_line: firstLine, lines } = body;
      return { next_line: await appendLines(tx.manager, { runId, source, firstLine, lines }) };
    });
  }

  async read(runId: string, query: z.output<typeof ReadLines>): Promise<z.output<typeof Lines>> {
    const { manager } = this.dataSource;
    await this.requireRun(runId);
    const { source, tail, page_size: limit } = query;
    const last = await lastLine(manager, runId, source);
    const range =
      tail === undefined
        ? { after: query.after_line, limit }
        : { after: Math.max(0, last - tail), limit: tail };
    const items = await readLines(manager, { runId, source, ...range });
    return { items, next_line: Math.max(last, items.at(-1)?.number ?? 0) + 1 };
  }

  async sources(runId: string) {
    await this.requireRun(runId);
    return { items: await readSources(this.dataSource.manager, runId) };
  }

  /** Sends lines until the run has ended, or either side ends. */
  async follow(
    runId: string,
    query: z.output<typeof FollowLines>,
    lastEventId: unknown,
    reply: FastifyReply,
  ): Promise<void> {
    await this.requireRun(runId);
    const place = LineNumber.safeParse(lastEventId ?? query.after_line);
    if (!place.success)
      throw new SluiceError('INVALID_REQUEST', 'Last-Event-ID must be the number of a line of this log.');
    if (reply.raw.destroyed) return;
    reply.hijack();
    const connection = new SseConnection(reply.raw, times, () => follower.wake());
    const follower = new EventFollower(connection, place.data, {
      name: lineEventName,
      isWanted: () => true,
      read: (after) => this.readOn(runId, query.source, after, connection),
      onError: (error) => {
        this.logger.warn({ reason: messageOf(error) }, 'a log could not be read; its reader may resume');
        connection.end();
      },
    });
    this.keep(runId, connection, reply, () => follower.wake());
    follower.wake();
  }

  /** Whether the run has ended is asked first: whatever it logged before is then among the lines. */
  private async readOn(runId: string, source: string, after: number, connection: SseConnection) {
    const { manager } = this.dataSource;
    const run = await manager.findOneBy(RunEntity, { id: runId });
    const lines = await readLines(manager, { runId, source, after, limit: linesPerRead });
    const isOpen = run?.status === 'RUNNING' || run?.status === 'SCHEDULED';
    if (lines.length === 0 && !isOpen) {
      connection.send({ event: endEventName, id: after, data: JSON.stringify({ status: run?.status }) });
      connection.end();
    }
    return lines;
  }

  private keep(runId: string, connection: SseConnection, reply: FastifyReply, wake: () => void): void {
    const onLines = (changed: string): void => {
      if (changed === runId) wake();
    };
    this.connections.add(connection);
    this.notifications.on('runLines', onLines);
    this.notifications.on('resync', wake);
    const timer = setTimeout(() => connection.end(), this.config.SLUICE_TOKEN_TTL_S * 1_000).unref();
    reply.raw.on('close', () => {
      clearTimeout(timer);
      this.notifications.off('runLines', onLines);
      this.notifications.off('resync', wake);
      this.connections.delete(connection);
    });
  }

  private async requireRun(runId: string): Promise<void> {
    if (!(await this.dataSource.manager.existsBy(RunEntity, { id: runId }))) throw runNotFound(runId);
  }
}

const runNotFound = (runId: string): SluiceError =>
  new SluiceError('RUN_NOT_FOUND', `There is no run ${runId}.`);
