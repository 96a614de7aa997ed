/** Names of queries, the first part of their keys. */
const queries = ['endpoints', 'models', 'nodes', 'quotas', 'audit'] as const;
export type QueryName = (typeof queries)[number];

const byNoun: Readonly<Record<string, readonly QueryName[]>> = {
  model: ['models', 'endpoints'],
  version: ['models', 'nodes'],
  config: ['nodes'],
  alias: ['models', 'endpoints'],
  endpoint: ['endpoints'],
  node: ['nodes'],
  external_node: ['nodes'],
  quota: ['quotas'],
  client: [],
};

/** Which readings an event makes old; without a type all of them. */
export function staleAfter(type: string | undefined): readonly QueryName[] {
  if (type === undefined) return queries;
  return byNoun[type.split('.', 1)[0] ?? ''] ?? [];
}
