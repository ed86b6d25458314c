import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { basePathOf, responseBelow, withoutBasePath } from './base-path.ts';

test('the path of a public URL has no slash at its end, and is empty for a host of its own', () => {
  assert.equal(basePathOf(undefined), '');
  assert.equal(basePathOf('https://h.example'), '');
  assert.equal(basePathOf('https://h.example/lockstep'), '/lockstep');
  assert.equal(basePathOf('https://h.example/a/b/'), '/a/b');
});

test('a request means the same with the path and without it', () => {
  const segment = fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/);
  const paths = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
  const query = fc.constantFrom('', '?a=1', '?return=/lockstep/x');
  fc.assert(
    fc.property(paths, query, fc.constantFrom('/lockstep', '/a/b-c'), (path, asked, base) => {
      fc.pre(!`${path}/`.startsWith(`${base}/`));
      assert.equal(withoutBasePath(base + path + asked, base), path + asked);
      assert.equal(withoutBasePath(path + asked, base), path + asked);
      assert.equal(withoutBasePath(path + asked, ''), path + asked);
    }),
  );
});

test('what only begins like the path is another path; the documents at the root of the host are ours', () => {
  for (const [asked, means] of [
    ['/lockstep', '/'],
    ['/lockstep?x=1', '/?x=1'],
    ['/lockstepper', '/lockstepper'],
    ['/hub/lockstep', '/hub/lockstep'],
    ['/.well-known/oauth-protected-resource/lockstep/hub', '/.well-known/oauth-protected-resource/hub'],
    ['/.well-known/oauth-authorization-server/lockstep', '/.well-known/oauth-authorization-server'],
    ['/lockstep/.well-known/openid-configuration', '/.well-known/openid-configuration'],
    ['/.well-known/oauth-protected-resource/hub', '/.well-known/oauth-protected-resource/hub'],
  ] as const) {
    assert.equal(withoutBasePath(asked, '/lockstep'), means, asked);
  }
});

test('answers name public paths, however their headers are set, and each path once', async (t) => {
  const options = { ServerResponse: responseBelow('/lockstep') };
  const server = createServer(options, (request, response) => {
    response.setHeader('Location', '/auth/manage');
    response.setHeader('Set-Cookie', ['a=1; Path=/; Secure', 'b=2; path=/auth; HttpOnly', 'c=3']);
    // As libraries do that add to what is there.
    response.setHeader('Set-Cookie', [...(response.getHeader('set-cookie') as string[]), 'd=4; Path=/auth']);
    response.appendHeader('Set-Cookie', 'e=5; Path=/x');
    if (request.url === '/fields') response.writeHead(303, { location: '/apps', link: '</users?after=1>; rel="next"' });
    else if (request.url === '/words') response.writeHead(303, 'See Other', { Location: 'https://other.example/x' });
    else response.writeHead(303);
    response.end();
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ask = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { redirect: 'manual' });
  const plain = await ask('/');
  assert.equal(plain.headers.get('location'), '/lockstep/auth/manage');
  assert.deepEqual(plain.headers.getSetCookie(), [
    'a=1; Path=/lockstep; Secure',
    'b=2; path=/lockstep/auth; HttpOnly',
    'c=3',
    'd=4; Path=/lockstep/auth',
    'e=5; Path=/lockstep/x',
  ]);
  const fields = await ask('/fields');
  assert.equal(fields.headers.get('location'), '/lockstep/apps');
  assert.equal(fields.headers.get('link'), '</lockstep/users?after=1>; rel="next"');
  assert.equal((await ask('/words')).headers.get('location'), 'https://other.example/x');
});
