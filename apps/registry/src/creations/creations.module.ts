import { Global, Module } from '@nestjs/common';
import { Creations } from './creations.js';

/** Every feature that creates may inject it. */
@Global()
@Module({ providers: [Creations], exports: [Creations] })
export class CreationsModule {}
