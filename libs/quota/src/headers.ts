/** RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-11 (structured fields, RFC 9651) and Retry-After. */
import type { SnapshotQuota } from '#contracts/snapshot';
import type { Cell } from './cell.js';
import { nominalSeconds } from './windows.js';

export const rateLimitHeader = 'ratelimit';
export const rateLimitPolicyHeader = 'ratelimit-policy';

/** The largest Integer of RFC 9651 §3.3.1. */
const maxInteger = 999_999_999_999_999;

/** RFC 9651 §3.3.3: printable ASCII, quotes and backslashes escaped. */
const quoted = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, (mark) => `\\${mark}`)}"`;

const policies = new WeakMap<SnapshotQuota, { readonly name: string; readonly policy: string }>();

function windowParameter({ window, limit, refill_per_second: refill }: SnapshotQuota): string {
  if (window === null) return '';
  if (window === 'bucket') return `;w=${Math.max(1, Math.ceil(limit / (refill ?? 1)))}`;
  const seconds = nominalSeconds[window];
  return seconds === undefined ? '' : `;w=${seconds}`;
}

/** The draft's words; it takes `requests` for granted and has none for compute. */
const unitParameters: Readonly<Record<SnapshotQuota['unit'], string>> = {
  requests: '',
  bytes: ';qu="content-bytes"',
  compute_ms: ';qu="compute-ms"',
  concurrency: ';qu="concurrent-requests"',
};

function written(quota: SnapshotQuota): { readonly name: string; readonly policy: string } {
  const known = policies.get(quota);
  if (known) return known;
  const name = quoted(quota.name);
  const size = Math.min(quota.limit, maxInteger);
  const made = { name, policy: `${name};q=${size}${windowParameter(quota)}${unitParameters[quota.unit]}` };
  policies.set(quota, made);
  return made;
}

/** What nobody has used or reserved, as far as this gateway knows. */
export const remaining = (cell: Cell): number => Math.max(0, cell.left + cell.remaining);

/** Whole seconds until more can be had, at least 1. */
export function resetS({ quota, endsAtMs }: Cell, nowMs: number): number {
  if (quota.window === 'bucket') return Math.max(1, Math.ceil(1 / (quota.refill_per_second ?? 1)));
  return endsAtMs === Infinity ? 1 : Math.max(1, Math.ceil((endsAtMs - nowMs) / 1_000));
}

/** `"permin";q=100;w=60`, one item per enforced quota. */
export function rateLimitPolicy(cells: readonly Cell[]): string {
  let text = '';
  for (const { enforced, quota } of cells)
    if (enforced) text += (text === '' ? '' : ', ') + written(quota).policy;
  return text;
}

/** `"permin";r=50;t=30`, one item per enforced quota. */
export function rateLimit(cells: readonly Cell[], nowMs: number): string {
  let text = '';
  for (const cell of cells) {
    if (!cell.enforced) continue;
    const left = Math.min(remaining(cell), maxInteger);
    text += `${text === '' ? '' : ', '}${written(cell.quota).name};r=${left};t=${resetS(cell, nowMs)}`;
  }
  return text;
}
