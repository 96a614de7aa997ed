import type { ModelCard } from '#contracts/cards';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { IfMatch } from '../http/etag.js';
import type { ExpectedRevision } from '../http/etag.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { CardsService } from './cards.service.js';

type R = typeof routes.cards;

@Controller()
export class CardsController {
  constructor(private readonly cards: CardsService) {}

  @Route(routes.cards.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<ModelCard> {
    return this.cards.read(params.model);
  }

  @Route(routes.cards.put)
  put(
    @Input() { params, body }: RouteInput<R['put']>,
    @IfMatch() expected: ExpectedRevision,
    @Caller() caller: Caller,
  ): Promise<ModelCard> {
    return this.cards.put(params.model, body.markdown, expected, caller);
  }

  @Route(routes.cards.history)
  history(@Input() { params, query }: RouteInput<R['history']>): Promise<Page<ModelCard>> {
    return this.cards.history(params.model, query);
  }
}
