/** RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-11 (structured fields, RFC 9651) and Retry-After. */
import type { SnapshotQuota } from '#contracts/snapshot';
import type { Cell } from './cell.js';
import { nominalSeconds } from './windows.js';

export const rateLimitHeader = 'ratelimit';
export const rateLimitPolicyHeader = 'ratelimit-policy';
/** The draft's problem type, whose `violated-policies` name the quotas. */
export const quotaExceededType = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

/** The largest Integer of RFC 9651 §3.3.1. */
const maxInteger = 999_999_999_999_999;

/** RFC 9651 §3.3.3: printable ASCII, quotes and backslashes escaped. */
const quoted = (text: string): string =>
  `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, (mark) => `\\${mark}`)}"`;

interface Written {
  readonly limit: number;
  readonly name: string;
  readonly policy: string;
}

const policies = new WeakMap<SnapshotQuota, Written>();

function windowParameter({ window, refill_per_second: refill }: SnapshotQuota, limit: number): string {
  if (window === null) return '';
  if (window === 'bucket') return `;w=${Math.max(1, Math.ceil(limit / (refill ?? 1)))}`;
  const seconds = nominalSeconds[window];
  return seconds === undefined ? '' : `;w=${seconds}`;
}

/** The draft's words; it takes `requests` for granted and has none for rows and compute. */
const unitParameters: Readonly<Record<SnapshotQuota['unit'], string>> = {
  requests: '',
  rows: ';qu="rows"',
  bytes: ';qu="content-bytes"',
  compute_ms: ';qu="compute-ms"',
  concurrency: ';qu="concurrent-requests"',
};

/** Clients of one quota mostly have the same limit; one with an override of its own only costs the writing. */
function written({ quota, limit }: Cell): Written {
  const known = policies.get(quota);
  if (known?.limit === limit) return known;
  const name = quoted(quota.name);
  const size = Math.min(limit, maxInteger);
  const policy = `${name};q=${size}${windowParameter(quota, limit)}${unitParameters[quota.unit]}`;
  const made = { limit, name, policy };
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
  for (const cell of cells) if (cell.enforced) text += (text === '' ? '' : ', ') + written(cell).policy;
  return text;
}

/** `"permin";r=50;t=30`, one item per enforced quota. */
export function rateLimit(cells: readonly Cell[], nowMs: number): string {
  let text = '';
  for (const cell of cells) {
    if (!cell.enforced) continue;
    const left = Math.min(Math.floor(remaining(cell)), maxInteger);
    text += `${text === '' ? '' : ', '}${written(cell).name};r=${left};t=${resetS(cell, nowMs)}`;
  }
  return text;
}

/** The quota that refused, as an item of its own: `"permin";unit="requests";limit=100;used=97;reserved=3;needed=1;reset=30`. */
export function violated(cell: Cell, needed: number, nowMs: number): string {
  const { quota, limit, used, reserved } = cell;
  const counts = { limit, used, reserved, needed, reset: resetS(cell, nowMs) };
  const parameters = Object.entries(counts).map(
    ([name, count]) => `;${name}=${Math.min(Math.ceil(count), maxInteger)}`,
  );
  return `${quoted(quota.name)};unit="${quota.unit}"${parameters.join('')}`;
}

/** Which policies stand in for the ledger: `"permin";policy="local_share"`, one item per enforced quota. */
export const outagePolicies = (cells: readonly Cell[]): string =>
  cells
    .filter(({ enforced }) => enforced)
    .map(({ quota }) => `${quoted(quota.name)};policy="${quota.outage}"`)
    .join(', ');
