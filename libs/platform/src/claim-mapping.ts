/** What the claims of an outside issuer's token mean here. Pure. */
import type { ClaimMapping } from '#contracts/issuers';

type Claims = Readonly<Record<string, unknown>>;
type TextSource = ClaimMapping['client'];

export interface MappedClaims {
  readonly clientId: string;
  readonly team: string;
  readonly scopes: readonly string[];
}

/** @throws Error when a claim that names the client or the team is missing or means nothing */
export function mapClaims(
  { client, team, scopes }: ClaimMapping,
  issuerName: string,
  claims: Claims,
): MappedClaims {
  const name = textOf(client, claims);
  // An outside issuer must not be able to name one of our clients by itself.
  const isOurs = 'value' in client || 'map' in client;
  const words = 'value' in scopes ? [] : wordsOf(claimAt(claims, scopes.claim));
  return {
    clientId: isOurs ? name : `${issuerName}:${name}`,
    team: textOf(team, claims),
    scopes:
      'value' in scopes
        ? scopes.value
        : [...new Set(words.flatMap((word) => ownValue(scopes.map, word) ?? []))],
  };
}

function textOf(source: TextSource, claims: Claims): string {
  if ('value' in source) return source.value;
  const [word, ...others] = wholeTexts(claimAt(claims, source.claim));
  if (word === undefined || word.length > 200 || others.length > 0)
    throw new Error(`the claim ${source.claim} is not one short text`);
  if (!('map' in source)) return word;
  const mapped = ownValue(source.map, word);
  if (mapped === undefined) throw new Error(`the claim ${source.claim} says what is not mapped`);
  return mapped;
}

/** A claim of that name, else a path into nested ones: names with dots are common (`https://example.org/roles`). */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? Reflect.get(value, key)
          : undefined,
      claims,
    );
}

const wholeTexts = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter(
    (entry) => typeof entry === 'string' && entry !== '',
  ) as string[];

/** `scope` is a text of words (RFC 8693 §4.2), groups are a list. */
export const wordsOf = (value: unknown): string[] =>
  typeof value === 'string' ? value.split(' ').filter(Boolean) : wholeTexts(value);

const ownValue = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;
