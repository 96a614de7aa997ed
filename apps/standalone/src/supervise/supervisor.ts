/**
 * All parts together: brought up group by group, taken down in the opposite order within a bound.
 * Stopping is safe at any moment, also in the middle of a start, and a second call joins the first.
 */
import { StartError } from '#platform/start';
import { Part, type PartEvents, type PartSpec, type PartStatus } from './part.js';

export class Supervisor {
  private readonly groups: Part[][] = [];
  private stopping: Promise<void> | undefined;

  constructor(private readonly events: PartEvents) {}

  /** Starts groups of parts side by side and resolves when all are ready. A group stops before those that stand before it. */
  async start(...groups: readonly (readonly PartSpec[])[]): Promise<void> {
    if (this.stopping) throw new StartError('Stopped while it was starting.');
    const parts = groups.map((group) => group.map((spec) => new Part(spec, this.events)));
    this.groups.push(...parts);
    await Promise.all(parts.flat().map((part) => part.start()));
  }

  status(): PartStatus[] {
    return this.groups.flat().map((part) => part.status());
  }

  /** Stops group after group, the last first. Resolves when every process is gone. */
  stop(): Promise<void> {
    this.stopping ??= this.stopInOrder();
    return this.stopping;
  }

  /** Ends every process at once; a database recovers at its next start. */
  kill(): void {
    for (const part of this.groups.flat()) part.kill();
  }

  private async stopInOrder(): Promise<void> {
    for (const group of this.groups.toReversed()) await Promise.all(group.map((part) => part.stop()));
  }
}
