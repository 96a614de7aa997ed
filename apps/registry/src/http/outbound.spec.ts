import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { isPrivateAddress, outboundAgent, requirePublicHost } from './outbound.js';

it('tells addresses inside from addresses outside', () => {
  const inside = [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
  ];
  const inside6 = ['::1', '::', 'fd00::1', 'fe80::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', 'ff02::1'];
  expect([...inside, ...inside6].filter((address) => !isPrivateAddress(address))).toEqual([]);
  const outside = ['1.1.1.1', '172.32.0.1', '192.169.0.1', '2606:4700::1111', '::ffff:8.8.8.8'];
  expect(outside.filter(isPrivateAddress)).toEqual([]);
});

it('refuses a private address, however it is written', () => {
  for (const url of ['http://127.1/x', 'http://0x7f000001/', 'http://[::1]:80/', 'http://2130706433/'])
    expect(() => requirePublicHost(url)).toThrow('private');
  expect(() => requirePublicHost('https://example.com/hook')).not.toThrow();
});

it('connects to no name that resolves to a private address', async () => {
  const server = createServer((_req, res) => res.end('reached'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
  const [guarded, open] = [outboundAgent(false), outboundAgent(true)];
  await expect(request(url, { dispatcher: guarded })).rejects.toThrow('private');
  const { body } = await request(url, { dispatcher: open });
  expect(await body.text()).toBe('reached');
  await Promise.all([guarded.close(), open.close()]);
  server.close();
});
