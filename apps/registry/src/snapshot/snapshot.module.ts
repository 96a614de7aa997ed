import { Module } from '@nestjs/common';
import { GatewaysService } from './gateways.service.js';
import { SnapshotController } from './snapshot.controller.js';
import { SnapshotFeed } from './snapshot-feed.js';
import { StreamsService } from './streams.service.js';

@Module({ controllers: [SnapshotController], providers: [GatewaysService, SnapshotFeed, StreamsService] })
export class SnapshotModule {}
