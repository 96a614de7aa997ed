import type { ArtifactStore } from '#artifacts/artifact-store';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ARTIFACT_STORE } from './artifact-store.token.js';
import { sendArtifact } from './send-artifact.js';

@Controller()
export class ArtifactsController {
  constructor(@Inject(ARTIFACT_STORE) private readonly store: ArtifactStore) {}

  @Route(routes.nodes.artifact)
  fetch(
    @Input() { params }: RouteInput<typeof routes.nodes.artifact>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return sendArtifact(this.store, params, request, reply);
  }
}
