/** Sign-in at an outside provider, as the configuration says (REG-4). How such a sign-in goes is tested in `smart`. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, it } from 'node:test';
import { type Lockstep, readConfig } from '@lockstep/server';
import { json, withLockstep } from './harness.ts';
import { Person } from './person.ts';

const issuer = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ issuer: origin, authorization_endpoint: `${origin}/authorize` }));
});
await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
after(() => {
  issuer.close();
  issuer.closeAllConnections();
});
const origin = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;

async function withOutside(env: NodeJS.ProcessEnv, run: (lockstep: Lockstep) => Promise<void>): Promise<void> {
  const all = readConfig({ LOCKSTEP_OIDC_ISSUER: origin, LOCKSTEP_OIDC_CLIENT_ID: 'lockstep', ...env });
  const settings = Object.entries(all).filter(([name]) => name.startsWith('oidc'));
  await withLockstep(run, { ...Object.fromEntries(settings), sampleData: env.LOCKSTEP_SAMPLE_DATA !== 'off' });
}

it('REG-4 beside passwords: both ways on the page, and the request as configured', async () => {
  const env = { LOCKSTEP_OIDC_NAME: 'City Hospital', LOCKSTEP_OIDC_SCOPES: 'openid roles' };
  await withOutside(env, async (lockstep) => {
    const session = await json(fetch(`${lockstep.origin}/auth/session`));
    assert.deepEqual(session.outside, { name: 'City Hospital', url: '/auth/outside' });
    assert.equal(session.passwords, true);
    const page = await new Person(lockstep.origin).go('/auth/sign-in');
    assert.match(page.text, /type="password"/);
    assert.match(page.text, /Sign in with City Hospital/);
    const response = await fetch(`${lockstep.origin}/auth/outside?return=/`, { redirect: 'manual' });
    const target = new URL(response.headers.get('location') ?? '');
    assert.equal(`${target.origin}${target.pathname}`, `${origin}/authorize`);
    assert.equal(target.searchParams.get('client_id'), 'lockstep');
    assert.equal(target.searchParams.get('scope'), 'openid roles');
    assert.equal(target.searchParams.get('redirect_uri'), `${lockstep.origin}/auth/outside/callback`);
  });
});

it('REG-4 only there: no password field, no sample user, no one-time password', async () => {
  await withOutside({ LOCKSTEP_OIDC_MODE: 'only', LOCKSTEP_SAMPLE_DATA: 'off' }, async (lockstep) => {
    assert.equal(lockstep.firstAdministrator, undefined);
    const page = await new Person(lockstep.origin).go('/auth/sign-in');
    assert.doesNotMatch(page.text, /type="password"/);
    assert.match(page.text, /Sign in with 127\.0\.0\.1/);
  });
  await withOutside({ LOCKSTEP_SAMPLE_DATA: 'off' }, async (lockstep) => {
    assert.equal(lockstep.firstAdministrator?.user, 'admin');
  });
});
