import { expect, it } from 'vitest';
import { TrafficCounters, maxClients, otherClients } from './traffic-counters.js';

it('counts any number of clients in a bounded number of rows, and loses none', () => {
  const counters = new TrafficCounters();
  const total = maxClients + 500;
  for (let round = 0; round < 2; round++)
    for (let client = 0; client < total; client++) counters.countClient(`client-${client}`, 'OK');
  expect(counters.clients.size).toBe(maxClients + 1);
  expect(counters.clients.get('client-0')).toEqual(new Map([['OK', 2]]));
  expect(counters.clients.get(otherClients)).toEqual(new Map([['OK', 1_000]]));
});
