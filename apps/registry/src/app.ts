/** Makes the registry's application from what `main` (or a test) prepared. It listens on nothing yet. */
import { hostname } from 'node:os';
import { openSpans } from '#platform/open-spans';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { Authenticator } from './auth/authenticator.js';
import { serveConsole } from './console/console.js';
import { serveDocs } from './docs/docs.js';
import { MlflowServer } from './mlflow/mlflow-server.js';
import { NestLogger } from './http/nest-logger.js';
import { createAdapter, prepareServer } from './http/server.js';
import { traceRequests } from './http/trace-requests.js';
import type { Platform } from './platform.module.js';
import { TusServer } from './uploads/tus-server.js';

export async function createApp(platform: Platform): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(platform),
    createAdapter(platform.config.SLUICE_REGISTRY_TRUSTED_PROXIES),
    {
      abortOnError: false,
      bodyParser: false,
      logger: new NestLogger(platform.logger),
    },
  );
  const authenticator = app.get(Authenticator);
  const spans = await openSpans(platform.config, 'registry', hostname(), platform.logger);
  if (spans) traceRequests(app.getHttpAdapter().getInstance(), spans);
  prepareServer(app.getHttpAdapter().getInstance(), {
    authenticate: (request, spec) => authenticator.authenticate(request, spec),
  });
  app.get(MlflowServer).serve(app.getHttpAdapter().getInstance());
  app.get(TusServer).serve(app.getHttpAdapter().getInstance());
  serveConsole(app.getHttpAdapter().getInstance(), platform.logger);
  serveDocs(app);
  return app;
}
