/**
 * When a key may do what. A new key is published first and signs only once every gateway, node and registry must know it; an old one
 * is published until the last token that it can have signed is over. Pure.
 */

/**
 * Gateways learn of a key within two seconds, registries and nodes look an unknown one up when what they know is older than five.
 */
export const publishedBeforeMs = 10_000;
/** A registry that has not noticed yet may go on signing with the old key for this long. */
const lateMs = 10_000;

/** How long after its retirement a key is still published. */
export const keptAfterRetirementMs = (tokenTtlS: number): number => tokenTtlS * 1_000 + lateMs;

export interface KeyTimes {
  readonly signs_from: Date;
  readonly retired_at: Date | null;
}

export type KeyState = 'PUBLISHED' | 'SIGNING' | 'RETIRED' | 'GONE';

export function keyState({ signs_from, retired_at }: KeyTimes, tokenTtlS: number, nowMs: number): KeyState {
  if (retired_at !== null && retired_at.getTime() <= nowMs)
    return nowMs < retired_at.getTime() + keptAfterRetirementMs(tokenTtlS) ? 'RETIRED' : 'GONE';
  return signs_from.getTime() <= nowMs ? 'SIGNING' : 'PUBLISHED';
}
