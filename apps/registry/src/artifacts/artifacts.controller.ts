import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { sendArtifact } from './send-artifact.js';
import { VerifiedArtifacts } from './verified-artifacts.js';

@Controller()
export class ArtifactsController {
  constructor(private readonly artifacts: VerifiedArtifacts) {}

  @Route(routes.nodes.artifact)
  fetch(
    @Input() { params }: RouteInput<typeof routes.nodes.artifact>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return sendArtifact(this.artifacts, params, request, reply);
  }
}
