import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { SearchHit } from '#contracts/search';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { SearchService } from './search.service.js';

@Controller()
export class SearchController {
  constructor(private readonly search: SearchService) {}

  @Route(routes.search.find)
  find(
    @Input() { query }: RouteInput<typeof routes.search.find>,
    @Caller() caller: Caller,
  ): Promise<Page<SearchHit>> {
    return this.search.find(query, caller);
  }
}
