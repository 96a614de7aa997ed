/** Traffic rules: header and claim matches that must all hold. Compiled once per snapshot, tried in order at each request. */
import type { TrafficRule } from '#contracts/endpoints';

/** What a rule may look at. */
export interface Attributes {
  /** By lower-case name, as node:http gives them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

interface Match {
  readonly of: 'header' | 'claim';
  readonly name: string;
  readonly value: string;
}

export interface Rule<V> {
  /** Among all rules of the traffic, also those that are skipped now; from 0. */
  readonly position: number;
  readonly matches: readonly Match[];
  readonly target: V;
}

/** Binds a rule to the version that it leads to. */
export function compileRule<V>(rule: TrafficRule, position: number, target: V): Rule<V> {
  const matches = ('match' in rule ? rule.match : [rule]).map((match): Match =>
    'header' in match
      ? { of: 'header', name: match.header, value: match.value }
      : { of: 'claim', name: match.claim, value: match.value },
  );
  return { position, matches, target };
}

function claimHolds(claim: unknown, value: string): boolean {
  if (typeof claim === 'string') return claim === value;
  if (typeof claim === 'number' || typeof claim === 'boolean') return String(claim) === value;
  return Array.isArray(claim) && claim.some((item) => !Array.isArray(item) && claimHolds(item, value));
}

function matchHolds({ of, name, value }: Match, { headers, claims }: Attributes): boolean {
  if (of === 'header') return headers[name] === value;
  return Object.hasOwn(claims, name) && claimHolds(claims[name], value);
}

/** Whether all matches of the rule hold. */
export function holds(rule: Rule<unknown>, attributes: Attributes): boolean {
  for (const match of rule.matches) if (!matchHolds(match, attributes)) return false;
  return true;
}
