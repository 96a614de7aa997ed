import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adapt, gradientDefaults, newGradientLimit } from './gradient-limit.js';

const policy = { ...gradientDefaults, max: 200 };

describe('gradient limit', () => {
  it('stays within its bounds, whatever is measured', () => {
    const samples = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 400 })),
    );
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 300 }), (measured, max) => {
        const bounded = { ...policy, max };
        const state = newGradientLimit(bounded);
        return measured.every(([latencyMs, inFlight]) => {
          adapt(state, latencyMs, inFlight, bounded);
          return state.limit >= Math.min(policy.min, max) && state.limit <= max;
        });
      }),
    );
  });

  it('grows to the top while latency is steady and the limit is used', () => {
    const state = newGradientLimit(policy);
    for (let i = 0; i < 1_000; i++) adapt(state, 5, state.limit, policy);
    expect(state.limit).toBe(200);
  });

  it('does not move while the limit is not used', () => {
    const state = newGradientLimit(policy);
    for (let i = 0; i < 1_000; i++) adapt(state, i % 2 === 0 ? 5 : 500, 3, policy);
    expect(state.limit).toBe(policy.min);
  });

  it('shrinks when latency rises well above the usual, and recovers with it', () => {
    const state = newGradientLimit(policy);
    for (let i = 0; i < 1_000; i++) adapt(state, 5, state.limit, policy);
    for (let i = 0; i < 30; i++) adapt(state, 50, state.limit, policy);
    expect(state.limit).toBeLessThan(60);
    for (let i = 0; i < 1_000; i++) adapt(state, 5, state.limit, policy);
    expect(state.limit).toBe(200);
  });
});
