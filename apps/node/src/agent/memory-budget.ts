/**
 * This node's memory, shared by the versions that it was given: a load waits here for room, idle versions are evicted to
 * make it. What is held is measured, what is being loaded is promised. Which ones leave is decided in `memory-plan`.
 */
import type { Gate } from './gate.js';
import { evictions, leastRecent, roomFor, sum } from './memory-plan.js';
import type { Holder } from './memory-plan.js';

export interface Tenant extends Holder {
  evict(): void;
  /** Measures itself. */
  inspect(): void;
}

/** The node is too small for it. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError';
}

interface Load {
  readonly versionId: string;
  readonly bytes: number;
  readonly signal: AbortSignal;
}

/** Memory and a turn to load. Memory first, so that a load that waits for it holds up no other. */
export async function makeRoom(
  budget: MemoryBudget,
  gate: Gate,
  { versionId, bytes, signal }: Load,
): Promise<() => void> {
  const release = await budget.claim(versionId, bytes, signal);
  const leave = await gate.enter();
  return () => {
    leave();
    release();
  };
}

interface Claim {
  readonly versionId: string;
  readonly bytes: number;
  readonly grant: (release: () => void) => void;
  readonly refuse: (reason: unknown) => void;
}

export class MemoryBudget {
  private reservedBytes = 0;
  private waiting: Claim[] = [];

  constructor(
    private readonly capacityBytes: number,
    private readonly tenants: () => readonly Tenant[],
  ) {}

  /**
   * Resolves, in the order of the calls, when there is room. What it returns is to be called once the memory is taken and
   * the tenant tells how much that was, or the load has failed.
   * @throws NoRoomError, or the signal's reason
   */
  claim(versionId: string, bytes: number, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.waiting = this.waiting.filter((one) => one !== claim);
        reject(signal.reason as Error);
      };
      const end = (): void => signal.removeEventListener('abort', stop);
      const claim: Claim = {
        versionId,
        bytes,
        grant: (release) => {
          end();
          resolve(release);
        },
        refuse: (reason) => {
          end();
          reject(reason);
        },
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal.addEventListener('abort', stop);
      this.waiting.push(claim);
      this.look();
    });
  }

  /** Something may have become free. */
  look(): void {
    for (let claim = this.waiting[0]; claim; claim = this.waiting[0]) {
      const { capacityBytes, reservedBytes } = this;
      const room = roomFor(claim, this.tenants(), { capacityBytes, reservedBytes });
      if (room.kind === 'wait') return;
      this.waiting.shift();
      if (room.kind === 'never') claim.refuse(new NoRoomError(room.reason));
      else {
        for (const tenant of room.evict) tenant.evict();
        claim.grant(this.reserve(claim.bytes));
      }
    }
  }

  /** To be called now and then: measures, and evicts when what is held has grown over the capacity. */
  inspect(): void {
    const tenants = this.tenants();
    for (const tenant of tenants) tenant.inspect();
    const excess = sum(tenants) + this.reservedBytes - this.capacityBytes;
    const leaving = evictions(tenants, excess) ?? leastRecent(tenants);
    for (const tenant of leaving) tenant.evict();
    this.look();
  }

  private reserve(bytes: number): () => void {
    this.reservedBytes += bytes;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.reservedBytes -= bytes;
      this.look();
    };
  }
}
