/**
 * From an endpoint and a request to the version that answers, and why: rule, then pin, then split. A version without a READY
 * replica never gets traffic: its rules are skipped and its share goes to the others. Pure; owns no state.
 */
import type { Traffic } from '#contracts/endpoints';
import { compileRule, holds } from './rules.js';
import type { Attributes, Rule } from './rules.js';
import { hashText } from './hash.js';
import { bucketOf, makeSplit, shareByChance, shareOfBucket } from './split.js';
import type { Split } from './split.js';

/** What resolution needs to know of a version. */
export interface RoutableVersion {
  readonly version: number;
  readonly ready: boolean;
}

export interface EndpointRoutes<V extends RoutableVersion> {
  readonly versions: ReadonlyMap<number, V>;
  readonly aliases: Readonly<Record<string, number>>;
  readonly rules: readonly Rule<V>[];
  readonly split: Split<V>;
  /** References of the traffic that get nothing now, because nothing READY is behind them. */
  readonly gated: readonly (number | string)[];
  /** Among them is one that would answer callers, not only a shadow. */
  readonly lacksReplicas: boolean;
  readonly sticky: Traffic['sticky'];
  /** Where copies go, and of what share of the requests; undefined too while nothing READY is there. */
  readonly shadow: { readonly target: V; readonly share: number } | undefined;
  readonly seed: number;
}

export type Why = 'rule' | 'pin' | 'sticky' | 'split';
export type ResolveFailure = 'VERSION_NOT_FOUND' | 'ALIAS_NOT_FOUND' | 'NO_READY_REPLICA' | 'NO_TRAFFIC';
export type Resolution<V> =
  { readonly target: V; readonly why: Why } | { readonly target: undefined; readonly why: ResolveFailure };

export interface ResolveInput extends Attributes {
  /** From the path: a version number or an alias. */
  readonly pin: string | undefined;
}

const isVersionNumber = /^[1-9]\d{0,9}$/;

function find<V>(
  versions: ReadonlyMap<number, V>,
  aliases: Readonly<Record<string, number>>,
  ref: number | string,
): V | undefined {
  if (typeof ref === 'number') return versions.get(ref);
  return Object.hasOwn(aliases, ref) ? versions.get(aliases[ref] ?? 0) : undefined;
}

/** Binds an endpoint's traffic to the versions of its model, once per snapshot. */
export function compileRoutes<V extends RoutableVersion>(
  endpoint: string,
  traffic: Traffic,
  versions: ReadonlyMap<number, V>,
  aliases: Readonly<Record<string, number>>,
): EndpointRoutes<V> {
  const ready = (ref: number | string): V | undefined => {
    const target = find(versions, aliases, ref);
    return target?.ready === true ? target : undefined;
  };
  const weighted = traffic.split.filter((share) => share.weight > 0);
  const { shadow } = traffic;
  const isGated = ({ version }: { readonly version: number | string }): boolean =>
    ready(version) === undefined;
  const serving = [...traffic.rules, ...weighted].filter(isGated);
  const shadowing = shadow ? [shadow].filter(isGated) : [];
  const shadowTarget = shadow ? ready(shadow.version) : undefined;
  return {
    versions,
    aliases,
    rules: traffic.rules.flatMap((rule, position) => {
      const target = ready(rule.version);
      return target ? [compileRule(rule, position, target)] : [];
    }),
    split: makeSplit(
      weighted.flatMap(({ version, weight }) => {
        const target = ready(version);
        return target ? [{ version: target.version, weight, target }] : [];
      }),
    ),
    gated: [...new Set([...serving, ...shadowing].map(({ version }) => version))],
    lacksReplicas: serving.length > 0,
    sticky: traffic.sticky,
    shadow: shadow && shadowTarget ? { target: shadowTarget, share: shadow.share } : undefined,
    seed: hashText(endpoint),
  };
}

/** What keeps a caller on its version; undefined when the request does not bring it. */
export function stickyKey(sticky: Traffic['sticky'], input: ResolveInput): string | undefined {
  if (sticky === null) return undefined;
  const value = sticky.by === 'header' ? input.headers[sticky.name] : input.claims[sticky.name];
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function resolvePin<V extends RoutableVersion>(routes: EndpointRoutes<V>, pin: string): Resolution<V> {
  const byNumber = isVersionNumber.test(pin);
  const target = find(routes.versions, routes.aliases, byNumber ? Number(pin) : pin);
  if (!target) return { target, why: byNumber ? 'VERSION_NOT_FOUND' : 'ALIAS_NOT_FOUND' };
  return target.ready ? { target, why: 'pin' } : { target: undefined, why: 'NO_READY_REPLICA' };
}

/** Chooses the version of one request. */
export function resolve<V extends RoutableVersion>(
  routes: EndpointRoutes<V>,
  input: ResolveInput,
  random: () => number,
): Resolution<V> {
  for (const rule of routes.rules) if (holds(rule, input)) return { target: rule.target, why: 'rule' };
  if (input.pin !== undefined) return resolvePin(routes, input.pin);
  const { split } = routes;
  const key = stickyKey(routes.sticky, input);
  const share =
    key === undefined ? shareByChance(split, random()) : shareOfBucket(split, bucketOf(key, routes.seed));
  if (share) return { target: share.target, why: key === undefined ? 'split' : 'sticky' };
  return { target: undefined, why: routes.lacksReplicas ? 'NO_READY_REPLICA' : 'NO_TRAFFIC' };
}
