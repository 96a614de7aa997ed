import type { AuditEntry } from '#contracts/clients';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { AuditService } from './audit.service.js';

@Controller()
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Route(routes.audit.list)
  list(@Input() { query }: RouteInput<typeof routes.audit.list>): Promise<Page<AuditEntry>> {
    return this.audit.list(query);
  }
}
