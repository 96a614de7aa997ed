import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TrafficCounters, maxClients, maxNamedEndpoints, maxRows, others } from './traffic-counters.js';
import type { Outcomes } from './traffic-counters.js';

it('counts any number of clients in a bounded number of rows, and loses none', () => {
  const counters = new TrafficCounters();
  const total = maxClients + 500;
  for (let round = 0; round < 2; round++)
    for (let client = 0; client < total; client++) counters.countClient(`client-${client}`, 'OK');
  expect(counters.clients.size).toBe(maxClients + 1);
  expect(counters.clients.get('client-0')).toEqual(new Map([['OK', 2]]));
  expect(counters.clients.get(others)).toEqual(new Map([['OK', 1_000]]));
});

const rowsOf = ({ named }: TrafficCounters): Outcomes[] =>
  [...named.values()].flatMap(({ versions }) =>
    [...versions.values()].flatMap((teams) => [...teams.values()]),
  );
const countOf = (rows: readonly Outcomes[]): number =>
  rows.flatMap((row) => [...row.values()]).reduce((sum, count) => sum + count, 0);

it('counts any endpoints, versions and teams in a bounded number of rows, and loses none', () => {
  const counters = new TrafficCounters();
  const [endpoints, versions, teams] = [maxNamedEndpoints + 20, 3, 9];
  for (let endpoint = 0; endpoint < endpoints; endpoint++)
    for (let version = 0; version < versions; version++)
      for (let team = 0; team < teams; team++)
        counters.count(counters.endpoint(`endpoint-${endpoint}`), version, `team-${team}`, 'OK');
  expect(rowsOf(counters)).toHaveLength(maxRows);
  expect(counters.named.size).toBeLessThanOrEqual(maxNamedEndpoints);
  expect(countOf([...rowsOf(counters), counters.overflow])).toBe(endpoints * versions * teams);
});

it('gives the rows of endpoints that are gone to others', () => {
  const request = fc.record({ endpoint: fc.nat(maxNamedEndpoints * 2), version: fc.nat(3), team: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 2_000 }), fc.nat(maxNamedEndpoints), (requests, kept) => {
      const counters = new TrafficCounters();
      const names = new Set(Array.from({ length: kept }, (_, at) => `e${at}`));
      for (let round = 0; round < 2; round++) {
        for (const { endpoint, version, team } of requests)
          counters.count(counters.endpoint(`e${endpoint}`), version, `t${team}`, 'OK');
        counters.keepOnly(names);
        expect([...counters.named.keys()].every((name) => names.has(name))).toBe(true);
      }
      for (let at = 0; at < maxNamedEndpoints - kept; at++)
        counters.count(counters.endpoint(`n${at}`), 1, '', 'OK');
      for (let at = 0; at < maxNamedEndpoints - kept; at++) expect(counters.named.has(`n${at}`)).toBe(true);
    }),
    { numRuns: 20 },
  );
});
