/** RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers (structured fields, RFC 9651) and Retry-After. */
import type { SnapshotQuota } from '#contracts/snapshot';
import { remaining, resetS } from './counter.js';
import type { Charge } from './counter.js';
import { windowLengthMs } from './windows.js';

export const rateLimitHeader = 'ratelimit';
export const rateLimitPolicyHeader = 'ratelimit-policy';

/** The largest Integer of RFC 9651 §3.3.1. */
const maxInteger = 999_999_999_999_999;

/** RFC 9651 §3.3.3: printable ASCII, quotes and backslashes escaped. */
const quoted = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, (mark) => `\\${mark}`)}"`;

const policies = new WeakMap<SnapshotQuota, { readonly name: string; readonly policy: string }>();

function written(quota: SnapshotQuota): { readonly name: string; readonly policy: string } {
  const known = policies.get(quota);
  if (known) return known;
  const name = quoted(quota.name);
  const policy = `${name};q=${Math.min(quota.limit, maxInteger)};w=${windowLengthMs(quota.window) / 1_000}`;
  const made = { name, policy };
  policies.set(quota, made);
  return made;
}

/** `"permin";q=100;w=60`, one item per quota. */
export function rateLimitPolicy(charges: readonly Charge[]): string {
  let text = '';
  for (const { quota } of charges) text += (text === '' ? '' : ', ') + written(quota).policy;
  return text;
}

/** `"permin";r=50;t=30`, one item per quota. */
export function rateLimit(charges: readonly Charge[], nowMs: number): string {
  let text = '';
  for (const charge of charges) {
    const left = Math.min(remaining(charge), maxInteger);
    text += `${text === '' ? '' : ', '}${written(charge.quota).name};r=${left};t=${resetS(charge, nowMs)}`;
  }
  return text;
}
