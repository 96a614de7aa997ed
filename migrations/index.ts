/** Every migration, oldest first. Never change one that was released: add another. */
import type { MigrationInterface } from 'typeorm';
import { Initial1795478760562 } from './1795478760562-initial.js';

export const migrations: readonly (new () => MigrationInterface)[] = [Initial1795478760562];
