import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Route } from '../http/route.decorator.js';
import { HealthService } from './health.service.js';
import type { HealthAnswer } from './health.service.js';

@Controller()
export class HealthController {
  constructor(private readonly health: HealthService) {}

  @Route(routes.health.live)
  live(): HealthAnswer {
    return this.health.live();
  }

  @Route(routes.health.ready)
  ready(): Promise<HealthAnswer> {
    return this.health.ready();
  }
}
