import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { Price, Statement, UsageReceipt, UsageSum } from '#contracts/usage';
import type { UsageExport } from '#contracts/usage-export';
import { Controller, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { requireIn, teamsWith } from '../auth/team-access.js';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { PricesService } from './prices.service.js';
import { toCsv } from './usage-csv.js';
import { UsageExportService } from './usage-export.service.js';
import { UsageService } from './usage.service.js';

type R = typeof routes.usage;

@Controller()
export class UsageController {
  constructor(
    private readonly usage: UsageService,
    private readonly prices: PricesService,
    private readonly exports: UsageExportService,
  ) {}

  @Route(routes.usage.report)
  report(@Input() { body }: RouteInput<R['report']>, @Caller() caller: Caller): Promise<UsageReceipt> {
    return this.usage.take(body, caller.subject);
  }

  @Route(routes.usage.read)
  async read(
    @Input() { query }: RouteInput<R['read']>,
    @Caller() caller: Caller,
  ): Promise<{ items: UsageSum[] }> {
    return { items: await this.usage.sums(query, teamsWith(caller, 'usage:read')) };
  }

  @Route(routes.usage.export)
  async export(
    @Input() { query }: RouteInput<R['export']>,
    @Caller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const text = toCsv(query.group_by, await this.usage.sums(query, teamsWith(caller, 'usage:read')));
    await reply
      .header('content-disposition', 'attachment; filename="usage.csv"')
      .type('text/csv; charset=utf-8')
      .send(text);
  }

  @Route(routes.usage.readExport)
  readExport(): Promise<UsageExport> {
    return this.exports.read();
  }

  @Route(routes.usage.putExport)
  putExport(@Input() { body }: RouteInput<R['putExport']>, @Caller() caller: Caller): Promise<UsageExport> {
    return this.exports.put(body, caller);
  }

  @Route(routes.usage.removeExport)
  removeExport(@Caller() caller: Caller): Promise<void> {
    return this.exports.remove(caller);
  }

  @Route(routes.usage.prices)
  async listPrices(): Promise<{ items: Price[] }> {
    return { items: await this.prices.list() };
  }

  @Route(routes.usage.createPrice)
  createPrice(@Input() { body }: RouteInput<R['createPrice']>, @Caller() caller: Caller): Promise<Price> {
    return this.prices.create(body, caller);
  }

  @Route(routes.usage.statement)
  statement(@Input() { params }: RouteInput<R['statement']>, @Caller() caller: Caller): Promise<Statement> {
    requireIn(caller, params.team, 'usage:read');
    return this.prices.statement(params.team, params.month);
  }
}
