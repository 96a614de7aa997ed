/** The admin server: NestJS on its own port, apart from the data plane. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Registry } from 'prom-client';
import type { GatewaySettings } from '../config.js';
import { Core } from '../data-plane/core.js';
import { AdminController, HealthController } from './admin.controller.js';
import { AdminGuard } from './admin.guard.js';
import { createMetrics } from './metrics.js';
import { ProblemFilter } from './problem.filter.js';

@Module({})
class AdminModule {
  static of(core: Core): DynamicModule {
    return {
      module: AdminModule,
      controllers: [HealthController, AdminController],
      providers: [
        { provide: Core, useValue: core },
        { provide: Registry, useValue: createMetrics(core) },
        { provide: APP_FILTER, useClass: ProblemFilter },
        AdminGuard,
      ],
    };
  }
}

export interface AdminServer {
  readonly url: string;
  close(): Promise<void>;
}

export async function startAdmin(core: Core, settings: GatewaySettings): Promise<AdminServer> {
  const app = await NestFactory.create<NestFastifyApplication>(AdminModule.of(core), new FastifyAdapter(), {
    abortOnError: false,
    logger: false,
  });
  const { SLUICE_GATEWAY_ADMIN_HOST: host, SLUICE_GATEWAY_ADMIN_PORT: port } = settings;
  // Workers share what they listen at, unless it is exclusive; each must answer for itself here.
  await app.listen({ host, port, exclusive: true });
  return { url: await app.getUrl(), close: () => app.close() };
}
