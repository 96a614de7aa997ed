import { describe, expect, it } from 'vitest';
import { MemoryBudget, NoRoomError } from './memory-budget.js';
import type { Tenant } from './memory-budget.js';

class Version implements Tenant {
  readonly isPinned = false;
  isBusy = false;
  evictions = 0;
  constructor(
    readonly version_id: string,
    public residentBytes: number,
    public lastUsedMs = 0,
  ) {}

  get isEvictable(): boolean {
    return !this.isBusy && this.residentBytes > 0;
  }

  evict(): void {
    this.residentBytes = 0;
    this.evictions += 1;
  }

  inspect(): void {
    // Nothing to measure.
  }
}

const never = new AbortController().signal;

describe('the memory budget', () => {
  it('grants in order, as room appears', async () => {
    const a = new Version('a', 80);
    a.isBusy = true;
    const budget = new MemoryBudget(100, () => [a]);
    const granted: string[] = [];
    const claims = ['large', 'small'].map(async (id) => {
      const release = await budget.claim(id, id === 'large' ? 90 : 10, never);
      granted.push(id);
      return release;
    });
    budget.look();
    expect(granted).toEqual([]);
    a.isBusy = false;
    budget.look();
    const [first, second] = await Promise.all(claims);
    expect(granted).toEqual(['large', 'small']);
    expect(a.evictions).toBe(1);
    first?.();
    second?.();
  });

  it('keeps what was promised until it is released, once', async () => {
    const budget = new MemoryBudget(100, () => []);
    const release = await budget.claim('a', 80, never);
    const second = budget.claim('b', 30, never);
    const outcome = await Promise.race([second, Promise.resolve('waits')]);
    expect(outcome).toBe('waits');
    release();
    release();
    (await second)();
    (await budget.claim('c', 100, never))();
  });

  it('refuses what never fits, and forgets a claim whose caller has gone', async () => {
    const a = new Version('a', 80);
    a.isBusy = true;
    const budget = new MemoryBudget(100, () => [a]);
    await expect(budget.claim('x', 101, never)).rejects.toThrow(NoRoomError);
    const gone = new AbortController();
    const waiting = budget.claim('b', 50, gone.signal);
    const next = budget.claim('c', 20, never);
    gone.abort(new Error('unloaded'));
    await expect(waiting).rejects.toThrow('unloaded');
    budget.look();
    (await next)();
  });

  it('evicts when what is held has grown over the capacity', () => {
    const versions = [new Version('a', 60, 2), new Version('b', 60, 1), new Version('c', 30, 3)];
    const budget = new MemoryBudget(100, () => versions);
    budget.inspect();
    expect(versions.map(({ evictions }) => evictions)).toEqual([0, 1, 0]);
  });
});
