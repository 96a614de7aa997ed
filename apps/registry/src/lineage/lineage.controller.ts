import type { Lineage } from '#contracts/lineage';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { LineageService } from './lineage.service.js';

@Controller()
export class LineageController {
  constructor(private readonly lineage: LineageService) {}

  @Route(routes.lineage.read)
  read(
    @Input() { query }: RouteInput<typeof routes.lineage.read>,
    @Caller() caller: Caller,
  ): Promise<Lineage> {
    return this.lineage.read(query, caller);
  }
}
