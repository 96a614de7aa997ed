import type { Page } from '#contracts/common';
import type { Version } from '#contracts/models';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import type { Upload } from '#contracts/uploads';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ResumableUploads } from './resumable-uploads.service.js';

type R = typeof routes.uploads;

@Controller()
export class UploadsController {
  constructor(private readonly uploads: ResumableUploads) {}

  @Route(routes.uploads.list)
  list(@Input() { query }: RouteInput<R['list']>, @Caller() caller: Caller): Promise<Page<Upload>> {
    return this.uploads.list(query, caller);
  }

  @Route(routes.uploads.read)
  read(@Input() { params }: RouteInput<R['read']>, @Caller() caller: Caller): Promise<Upload> {
    return this.uploads.read(params.upload_id, caller);
  }

  @Route(routes.uploads.commit)
  commit(@Input() { params, body }: RouteInput<R['commit']>, @Caller() caller: Caller): Promise<Version> {
    return this.uploads.commit(params.model, body, caller);
  }
}
