/** Tokens that are bound to a key (RFC 9449), at every door that takes an access token: a new route cannot leave it out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newProofKey, type ProofRequest, type ProofSource, proofFetch, proofSource } from '@lockstep/client/dpop';
import type { Lockstep } from '@lockstep/server';
import { findDoor } from '../src/http/doors/door.ts';
import { DOORS } from '../src/http/doors/doors.ts';
import { Backend, EVERYTHING, type Json, json, withLockstep } from './harness.ts';

const SCOPE = `${EVERYTHING} system/*.cruds launch`;

/** Addresses of the authorization server that take access tokens beside client authentication or a sign-in. */
const OTHERS = ['GET /auth/userinfo', 'POST /auth/userinfo', 'POST /auth/introspect', 'POST /launch'];

/** Every address that takes an access token, with something in the place of its parameters. */
function doorsFor({ routes }: Lockstep): readonly (readonly [method: string, path: string])[] {
  const taking = [...new Set(routes)].filter((route) => {
    const [method = '', path = ''] = route.split(' ');
    if (method === 'TRACE') return false;
    const door = findDoor(DOORS, method === 'HEAD' ? 'GET' : method, path);
    return door?.authentication.startsWith('bearer') || OTHERS.includes(route);
  });
  for (const route of OTHERS) assert.ok(taking.includes(route), `${route} is served`);
  return taking.map((route) => {
    const [method = '', path = ''] = route.split(' ');
    return [
      method,
      path
        .replace(':type', 'Patient')
        .replace(/:[A-Za-z]+/g, 'x')
        .replace('*', 'x'),
    ];
  });
}

interface Rig {
  readonly lockstep: Lockstep;
  readonly token: string;
  readonly proof: ProofSource;
  send(method: string, path: string, headers: Record<string, string>): Promise<Response>;
}

async function withBoundToken(run: (rig: Rig) => Promise<void>, overrides = {}): Promise<void> {
  await withLockstep(async (lockstep) => {
    const { origin } = lockstep;
    const proof = await proofSource(await newProofKey());
    const backend = await Backend.register(origin, { dpop_bound_access_tokens: true, scope: SCOPE });
    const token = await backend.token(SCOPE, proofFetch(proof));
    const send = (method: string, path: string, headers: Record<string, string>): Promise<Response> => {
      // The authorization server's addresses read a small body first.
      if (path.startsWith('/auth/') && method === 'POST') {
        return fetch(`${origin}${path}`, { method, headers, body: new URLSearchParams({ token: 'x' }) });
      }
      const body = path === '/launch' && { body: '{}' };
      return fetch(`${origin}${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        ...body,
      });
    };
    await run({ lockstep, token, proof, send });
  }, overrides);
}

/** The headers of a request with one thing wrong. */
type Fault = (request: Required<Pick<ProofRequest, 'method' | 'url' | 'token'>>, rig: Rig) => Promise<Json>;

const bound = (token: string, dpop: string): Json => ({ authorization: `DPoP ${token}`, dpop });

const FAULTS: Readonly<Record<string, Fault>> = {
  'no proof': async ({ token }) => ({ authorization: `DPoP ${token}` }),
  'an empty proof': async ({ token }) => bound(token, ''),
  'two proofs': async (request, { proof }) => {
    const [one, two] = await Promise.all([proof(request), proof(request)]);
    return bound(request.token, `${one}, ${two}`);
  },
  'another method': async (request, { proof }) => {
    const method = request.method === 'PUT' ? 'GET' : 'PUT';
    return bound(request.token, await proof({ ...request, method }));
  },
  'another address': async (request, { proof }) => {
    return bound(request.token, await proof({ ...request, url: `${request.url}x` }));
  },
  'another server': async (request, { proof }) => {
    const url = new URL(request.url);
    url.hostname = 'elsewhere.example';
    return bound(request.token, await proof({ ...request, url: url.href }));
  },
  'a proof of an hour ago': async (request) => {
    const clock = { now: () => Date.now() - 3_600_000 };
    return bound(request.token, await (await proofSource(await newProofKey(), clock))(request));
  },
  'another key': async (request) => {
    return bound(request.token, await (await proofSource(await newProofKey()))(request));
  },
  'a proof for another token': async (request, { proof }) => {
    return bound(request.token, await proof({ ...request, token: 'another' }));
  },
  'a proof for no token': async ({ token, ...request }, { proof }) => bound(token, await proof(request)),
  'a nonce of nobody': async (request, { proof }) => bound(request.token, await proof({ ...request, nonce: 'x.y' })),
  'used as a bearer token': async (request, { proof }) => {
    return { authorization: `Bearer ${request.token}`, dpop: await proof(request) };
  },
};

describe('a token that is bound to a key', () => {
  it('DPOP-2 opens every door with a proof, once, and none with a proof that has any fault', () =>
    withBoundToken(async (rig) => {
      const { lockstep, token, proof, send } = rig;
      const doors = doorsFor(lockstep);
      assert.ok(doors.length > 30, String(doors.length));
      for (const [method, path] of doors) {
        const request = { method, url: `${lockstep.origin}${path}`, token };
        for (const [name, fault] of Object.entries(FAULTS)) {
          const response = await send(method, path, await fault(request, rig));
          assert.equal(response.status, 401, `${method} ${path} with ${name}`);
          assert.match(response.headers.get('www-authenticate') ?? '', /^DPoP .*error="/, `${method} ${path} ${name}`);
          await response.arrayBuffer();
        }
        const headers = bound(token, await proof(request));
        const first = await send(method, path, headers);
        // `/auth/userinfo` is for people's tokens.
        const challenge = first.headers.get('www-authenticate') ?? '';
        assert.ok(first.status !== 401 || !challenge.startsWith('DPoP'), `${method} ${path} ${first.status}`);
        await first.arrayBuffer();
        const replayed = await send(method, path, headers);
        assert.equal(replayed.status, 401, `${method} ${path} replayed`);
        await replayed.arrayBuffer();
      }
    }));

  it('DPOP-2 is refused in a form, where no proof can say what it is for', () =>
    withBoundToken(async ({ lockstep: { origin }, token, proof }) => {
      const dpop = await proof({ method: 'POST', url: `${origin}/hub`, token });
      const body = new URLSearchParams({ access_token: token, 'hub.mode': 'subscribe' });
      const response = await fetch(`${origin}/hub`, { method: 'POST', headers: { dpop }, body });
      assert.equal(response.status, 401);
    }));

  it('DPOP-3 opens the doors with a nonce where the deployment requires one; the SDK sends it by itself', () =>
    withBoundToken(
      async ({ lockstep: { origin }, token, proof, send }) => {
        const url = `${origin}/hub/session`;
        const without = await send('GET', '/hub/session', bound(token, await proof({ method: 'GET', url, token })));
        assert.equal(without.status, 401);
        assert.match(without.headers.get('www-authenticate') ?? '', /use_dpop_nonce/);
        const headers = { authorization: `Bearer ${token}` };
        const response = await proofFetch(proof)(url, { headers });
        assert.equal(response.status, 200);
      },
      { dpopNonce: true },
    ));

  it('DPOP-1 is what discovery tells of', () =>
    withLockstep(async ({ origin }) => {
      for (const path of [
        '/fhir/.well-known/smart-configuration',
        '/.well-known/openid-configuration',
        '/.well-known/oauth-authorization-server',
        '/.well-known/oauth-protected-resource',
        '/.well-known/oauth-protected-resource/hub',
      ]) {
        const document = await json(fetch(`${origin}${path}`));
        assert.ok(document.dpop_signing_alg_values_supported.includes('ES256'), path);
      }
    }));
});
