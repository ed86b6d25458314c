import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { it } from 'node:test';
import { AddressPolicy } from './address-policy.ts';
import { guardedFetch } from './guarded-fetch.ts';

it('follows no redirect, whatever its caller says: the policy has not seen where it leads', async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createServer(({ url }, response) => {
    asked.push(url);
    if (url === '/keys') response.writeHead(200).end('{}');
    else response.writeHead(Number(url?.slice(1)), { location: '/keys' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const guarded = guardedFetch(new AddressPolicy({ open: true, allowed: [] }));
  t.after(() => guarded.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const status of [301, 302, 303, 307, 308]) {
    for (const more of [{}, { redirect: 'follow' }, { redirect: 'manual' }] as const) {
      await assert.rejects(guarded.fetch(`${origin}/${status}`, more), `${status} ${JSON.stringify(more)}`);
    }
  }
  assert.ok(!asked.includes('/keys'));
  assert.equal((await guarded.fetch(`${origin}/keys`)).status, 200);
});

it('calls no address that is not allowed, in whatever form it is written', async (t) => {
  let connections = 0;
  const server = createTcpServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  server.listen(0);
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const [open, guarded] = [true, false].map((one) => guardedFetch(new AddressPolicy({ open: one, allowed: [] })));
  assert.ok(open && guarded);
  t.after(() => Promise.all([open.close(), guarded.close()]));
  for (const host of ['127.1', 'localhost']) await assert.rejects(open.fetch(`https://${host}:${port}/`), host);
  assert.ok(connections >= 2, 'where all are allowed they lead here');
  connections = 0;
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '0',
    'localhost',
    'localhost.',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '169.254.169.254',
    '[fd00:ec2::254]',
    '127.0.0.1%2eexample.com',
    '①②⑦.0.0.1',
    '１２７.０.０.１',
  ]) {
    await assert.rejects(guarded.fetch(`https://${host}:${port}/`), host);
  }
  assert.equal(connections, 0);
});
