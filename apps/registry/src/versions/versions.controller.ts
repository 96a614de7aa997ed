import type { Page } from '#contracts/common';
import type { ConfigRevision, Version } from '#contracts/models';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendArtifact } from '../artifacts/send-artifact.js';
import { VerifiedArtifacts } from '../artifacts/verified-artifacts.js';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { AnnotationsService } from './annotations.service.js';
import { ConfigsService } from './configs.service.js';
import { UploadsService } from './uploads.service.js';
import { VersionsService } from './versions.service.js';

type R = typeof routes.versions;

@Controller()
export class VersionsController {
  constructor(
    private readonly versions: VersionsService,
    private readonly uploads: UploadsService,
    private readonly configs: ConfigsService,
    private readonly annotations: AnnotationsService,
    private readonly artifacts: VerifiedArtifacts,
  ) {}

  @Route(routes.versions.upload)
  upload(
    @Input() { params, query }: RouteInput<R['upload']>,
    @Req() request: FastifyRequest,
    @Caller() caller: Caller,
  ): Promise<Version> {
    return this.uploads.upload(params.model, query, request.raw, caller);
  }

  @Route(routes.versions.list)
  list(@Input() { params, query }: RouteInput<R['list']>): Promise<Page<Version>> {
    return this.versions.list(params.model, query);
  }

  @Route(routes.versions.read)
  read(@Input() { params }: RouteInput<R['read']>): Promise<Version> {
    return this.versions.read(params);
  }

  @Route(routes.versions.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Version> {
    return this.annotations.update(params, body, caller);
  }

  @Route(routes.versions.download)
  async download(
    @Input() { params, query }: RouteInput<R['download']>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const file = await this.versions.findFile(params, query.path);
    await sendArtifact(this.artifacts.downloads, file, request, reply);
  }

  @Route(routes.versions.archive)
  archive(@Input() { params }: RouteInput<R['archive']>, @Caller() caller: Caller): Promise<Version> {
    return this.versions.archive(params, caller);
  }

  @Route(routes.versions.restore)
  restore(@Input() { params }: RouteInput<R['restore']>, @Caller() caller: Caller): Promise<Version> {
    return this.versions.restore(params, caller);
  }

  @Route(routes.versions.remove)
  remove(@Input() { params, query }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.versions.remove(params, query.confirm, caller);
  }

  @Route(routes.versions.load)
  load(@Input() { params }: RouteInput<R['load']>, @Caller() caller: Caller): Promise<Version> {
    return this.versions.hold(params, true, caller);
  }

  @Route(routes.versions.unload)
  unload(@Input() { params }: RouteInput<R['unload']>, @Caller() caller: Caller): Promise<Version> {
    return this.versions.hold(params, false, caller);
  }

  @Route(routes.versions.readConfig)
  readConfig(@Input() { params }: RouteInput<R['readConfig']>): Promise<ConfigRevision> {
    return this.configs.read(params);
  }

  @Route(routes.versions.putConfig)
  putConfig(
    @Input() { params, body }: RouteInput<R['putConfig']>,
    @Caller() caller: Caller,
  ): Promise<ConfigRevision> {
    return this.configs.put(params, body, caller);
  }

  @Route(routes.versions.listConfigs)
  listConfigs(@Input() { params, query }: RouteInput<R['listConfigs']>): Promise<Page<ConfigRevision>> {
    return this.configs.list(params, query);
  }
}
