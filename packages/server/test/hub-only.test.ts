/** A Hub beside an EHR with servers of its own: what is there, and that nothing else is. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { lockstep as command } from './command-line.ts';
import { HubClient, json, patient, sharedLockstep, testConfig } from './harness.ts';
import { sharedIssuer } from './issuer.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** The only paths of a Hub alone; everything else belongs to the other role. */
const OF_A_HUB =
  /^\/(hub(\/.*)?|health\/.*|metrics|openapi\.json|asyncapi\.json|api\/admin\/(server|backup)|auth\/backchannel-logout|\.well-known\/oauth-protected-resource(\/hub)?)$/;

const issuer = await sharedIssuer({ services: { ehr: 'all' } });
const config = testConfig({ role: 'hub', sampleData: false, trustedIssuers: issuer.file });
const hub = await sharedLockstep(config);
const all = await sharedLockstep({ trustedIssuers: issuer.file });

const ehr = async () =>
  new HubClient(
    `${hub.origin}/hub`,
    await issuer.token({ sub: 'ehr', azp: 'ehr', scope: 'fhircast/*.* hub/session.*' }),
  );
const app = async (user: string, sid: string) =>
  new HubClient(
    `${hub.origin}/hub`,
    await issuer.token({ sub: `id of ${user}`, sid, preferred_username: user, scope: 'fhircast/*.*' }),
  );

describe('a Hub alone (LOCKSTEP_ROLE=hub)', () => {
  it('serves the Hub and its operation, and nothing of the other role', async () => {
    const split = (route: string) => route.split(' ') as [string, string];
    for (const [method, path] of hub.routes.map(split)) {
      assert.match(path.replace(/\/$/, ''), OF_A_HUB, `${method} ${path}`);
    }
    const here = new Set(hub.routes);
    let asked = 0;
    for (const [method, path] of all.routes.map(split)) {
      if (here.has(`${method} ${path}`) || !METHODS.includes(method)) continue;
      // The Hub's own address of everything else says what its addresses take.
      const address = path.replace(/:[A-Za-z]+/g, 'x').replace('*', 'x');
      const response = await fetch(hub.origin + address, { method, redirect: 'manual' });
      if (OF_A_HUB.test(address)) continue;
      asked++;
      assert.equal(response.status, 404, `${method} ${path}`);
      assert.ok(!/stack|Error:/.test(await response.text()));
    }
    assert.ok(asked > 100, String(asked));
  });

  it('says where its tokens come from, and promises nothing that is not there', async () => {
    for (const path of ['', '/hub']) {
      const document = await json(fetch(`${hub.origin}/.well-known/oauth-protected-resource${path}`));
      assert.deepEqual([document.resource, document.authorization_servers], [`${hub.origin}/hub`, [issuer.url]]);
      assert.ok(document.scopes_supported.every((scope: string) => /^(fhircast|hub)/.test(scope)));
    }
    const own = await json(fetch(`${all.origin}/.well-known/oauth-protected-resource/hub`));
    assert.deepEqual(own.authorization_servers, [all.origin, issuer.url]);
    const configuration = JSON.stringify(await json(fetch(`${hub.origin}/hub/.well-known/fhircast-configuration`)));
    assert.ok(!configuration.includes('/fhir') && !configuration.includes('/auth'));
    const about = await command(['doctor', '--json'], { env: { LOCKSTEP_DATA: config.data } });
    assert.ok(!about.stdout.includes('/fhir'), about.stdout);
  });

  it('keeps no users, apps, keys or resources', () => {
    const files = readdirSync(config.data);
    assert.ok(files.includes('lockstep.db') && files.every((name) => /^(lockstep\.db|running\.json)/.test(name)));
  });

  it('runs the EHR’s session: the EHR opens it, apps of its user join, a sign-out ends them', async () => {
    const driver = await ehr();
    const topic = await driver.session('lokafor', 'ws-7');
    const [listed] = (await json(driver.request('/session'))) as unknown as [Record<string, unknown>];
    assert.deepEqual([listed.user, listed.known], ['lokafor', undefined]);
    const viewer = await app('lokafor', 'one');
    const subscriber = await viewer.subscribe(topic, 'Patient-open');
    await subscriber.next();
    assert.equal((await driver.publish(topic, 'Patient-open', [patient('p1')])).status, 202);
    assert.equal((await subscriber.event()).event.context[0].resource.id, 'p1');
    assert.equal((await (await app('mtanaka', 'other')).request(`/${topic}`)).status, 404);
    assert.equal((await issuer.signOut(hub.origin, { sub: 'id of lokafor', sid: 'one' })).status, 200);
    assert.equal((await subscriber.next())['hub.mode'], 'denied');
    assert.equal((await viewer.request(`/${topic}`)).status, 401);
    assert.equal((await driver.request(`/session/${topic}`, { method: 'DELETE' })).status, 204);
  });

  it('takes no token of anybody else: forged, of another issuer, or none', async () => {
    const good = await issuer.token({ sub: 'ehr', azp: 'ehr', scope: 'fhircast/*.*' });
    const [head, claims] = good.split('.');
    const other = await issuer.token({ iss: 'https://other.example', sub: 'ehr', azp: 'ehr' });
    for (const token of [`${head}.${claims}.${'A'.repeat(342)}`, other, 'a-token-of-a-server-that-is-not-here', '']) {
      const response = await fetch(`${hub.origin}/hub/session`, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(response.status, 401, token.slice(0, 20));
    }
  });

  it('is administered as far as there is something to administer', async () => {
    const env = { LOCKSTEP_DATA: config.data };
    const copy = await command(['backup', `${config.data}-copy.db`], { env });
    assert.equal(copy.code, 0, copy.stderr);
    for (const words of [['users', 'list'], ['apps', 'list'], ['keys', 'rotate'], ['token']]) {
      const refused = await command(words, { env });
      assert.notEqual(refused.code, 0, words.join(' '));
      assert.match(refused.stderr, /this server is a Hub only/, words.join(' '));
    }
  });
});
